// Live updates: an open page tells that something happened, and changes nothing under the reader's hands.

import assert from "node:assert/strict";

import { runExample } from "./support/examples.mjs";
import { banner, leadingAway, openListening, panel, rows, status, timeline, titles } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const scenario = prepare();

/** Which rows stand where, with all they say. */
const layout = (page) => page.locator(".rows tbody tr").evaluateAll((rows) => rows.map((row) => {
  const { top, height } = row.getBoundingClientRect();
  return { id: row.dataset.id, top, height, text: row.innerText };
}));

scenario("the empty page hears of the first error", async ({ server, page }) => {
  await openListening(page);
  assert.equal(await banner(page).isVisible(), false);
  await runExample(server, "minimal");
  await banner(page).getByText("1 new issue — show").waitFor();
  await leadingAway(page, () => banner(page).locator("a").click());
  assert.equal(await rows(page, "order refused").count(), 1);
});

scenario("a new issue is announced, rows stay where they are, and a click shows it", async ({ server, page }) => {
  await runExample(server, "minimal");
  await openListening(page);
  const before = await layout(page);
  assert.ok(before.length > 0);

  await runExample(server, "storm", ["--rate", "max", "--distinct", "1", "--events", "5"]);
  await banner(page).getByText("1 new issue — show").waitFor();
  assert.equal(await banner(page).getAttribute("role"), "status");
  assert.match(await page.title(), /^\(1\) Issues/);
  assert.match(await page.locator("link[rel=icon]").getAttribute("href"), /unread/);
  assert.deepEqual(await layout(page), before);

  await runExample(server, "storm", ["--rate", "max", "--distinct", "3", "--events", "3", "--threads", "1"]);
  // The first of the three is the one from before: it is new still, not new and changed.
  await banner(page).getByText("3 new issues — show").waitFor();
  assert.deepEqual(await layout(page), before);

  await leadingAway(page, () => banner(page).locator("a").click());
  assert.equal(await rows(page).count(), before.length + 3);
  assert.match((await titles(page))[0], /the (ledger|pricing|gateway) service in amber stalled/);
  assert.equal(await banner(page).isVisible(), false);
  assert.doesNotMatch(await page.title(), /^\(/);
});

scenario("an error that comes back marks its row and counts", async ({ server, page }) => {
  await runExample(server, "minimal");
  await openListening(page);
  const row = rows(page, "order refused");
  const count = Number(await row.locator(".c-count b").innerText());
  await runExample(server, "minimal");
  await banner(page).getByText("1 issue changed — show").waitFor();
  assert.equal(await page.locator("tr[data-changed]").count(), 1);
  assert.notEqual(await row.getAttribute("data-changed"), null);
  assert.equal(Number(await row.locator(".c-count b").innerText()), count);
  await leadingAway(page, () => banner(page).locator("a").click());
  assert.equal(Number(await row.locator(".c-count b").innerText()), count + 1);
});

scenario("an open issue tells when it changed, and only then", async ({ server, page }) => {
  const [id] = await server.accept({ title: "the open one", service: "live" });
  await openListening(page, `/issues/${id}`);
  await server.accept({ title: "another one", service: "live" });
  await server.accept({ title: "the open one", service: "live" });
  await banner(page).getByText("This issue changed — reload").waitFor();
  assert.equal(await panel(page, /^Occurrences/).locator("tbody tr").count(), 1);
  await leadingAway(page, () => banner(page).locator("a").click());
  assert.equal(await panel(page, /^Occurrences/).locator("tbody tr").count(), 2);

  await openListening(page, `/issues/${id}`);
  const [bystander] = await server.accept({ title: "another one", service: "live" });
  // Events come in order: when the list in the next tab has heard of it, this page has too.
  assert.notEqual(bystander, id);
  const list = await page.context().newPage();
  await list.goto("/issues");
  await server.accept({ title: "a third one", service: "live" });
  await banner(list).getByText("1 new issue").waitFor();
  assert.equal(await banner(page).isVisible(), false);
});

scenario("a filtered list hears of what would be on it", async ({ server, page }) => {
  await openListening(page, "/issues?q=service:wanted");
  await server.accept({ title: "not here", service: "other" });
  await server.accept({ title: "feed stalled", service: "wanted" });
  await banner(page).getByText("1 new issue — show").waitFor();
  await server.accept({ title: "not here either", service: "other" });
  await server.accept({ title: "order refused", service: "wanted" });
  await banner(page).getByText("2 new issues — show").waitFor();
  await leadingAway(page, () => banner(page).locator("a").click());
  assert.equal(await rows(page).count(), 2);
});

scenario("tabs share one stream, and the next takes over when the first is closed", async ({ server, context, page }) => {
  const streams = [];
  context.on("request", (request) => {
    if (request.url().endsWith("/api/v1/stream")) streams.push(request.frame().page());
  });
  await openListening(page);
  const second = await context.newPage();
  await second.goto("/issues");
  await server.accept({ title: "seen in both tabs", service: "live" });
  await banner(page).getByText("1 new issue").waitFor();
  await banner(second).getByText("1 new issue").waitFor();
  assert.deepEqual(streams.map((tab) => tab === page), [true]);

  const takenOver = second.waitForResponse((response) => response.url().endsWith("/api/v1/stream"));
  await page.close();
  await takenOver;
  await server.accept({ title: "seen by the survivor", service: "live" });
  await banner(second).getByText("2 new issues").waitFor();
});

scenario("a resolved error that happens again reopens, in front of who resolved it", async ({ server, page }) => {
  await runExample(server, "minimal");
  await page.goto("/issues?service=minimal");
  await leadingAway(page, () => page.getByRole("link", { name: /order refused/ }).click());
  const listening = page.waitForResponse((response) => response.url().endsWith("/api/v1/stream"));
  await leadingAway(page, () => page.getByRole("button", { name: "Resolve" }).click());
  await listening;
  assert.equal(await status(page), "Resolved");

  await runExample(server, "minimal", [], { environment: { TRACING_ISSUES_RELEASE: "2.0.0" } });
  await banner(page).getByText("This issue changed — reload").waitFor();
  await leadingAway(page, () => banner(page).locator("a").click());
  assert.equal(await status(page), "Open");
  const regressed = page.locator(".timeline > .is-regressed");
  assert.match(await regressed.innerText(), /saw it again after it was resolved, in release 2\.0\.0: reopened.*minimal-service/s);
  assert.equal(await timeline(page, "saw it again").count(), 1);
});
