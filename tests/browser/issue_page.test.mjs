// The issue page beyond triage: what people do to comments, and to issues that are one or are not. Without JavaScript, as
// everything there has to work.

import assert from "node:assert/strict";

import { leadingAway, panel, path, rows, timeline } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const scenario = prepare();
const options = { javaScriptEnabled: false };

scenario("a comment is edited, then deleted", options, async ({ server, page }) => {
  const [id] = await server.accept({ title: "talked about", service: "talk" });
  await page.goto(`/issues/${id}`);
  await page.getByLabel("Comment").fill("frist");
  await leadingAway(page, () => page.getByRole("button", { name: "Comment" }).click());

  const comment = page.locator(".t-comment", { hasText: "local-admin" });
  await comment.locator("summary", { hasText: "Edit" }).click();
  assert.equal(await comment.getByLabel("New text").inputValue(), "frist");
  await comment.getByLabel("New text").fill("first, **now**");
  await leadingAway(page, () => comment.getByRole("button", { name: "Save" }).click());
  assert.equal(await comment.locator(".prose strong").innerText(), "now");
  assert.match(await comment.locator(".edited").innerText(), /^edited just now$/);

  await comment.locator("summary", { hasText: "Delete" }).click();
  await leadingAway(page, () => comment.getByRole("button", { name: "Delete for good" }).click());
  assert.equal(await comment.count(), 0);
  assert.equal(await timeline(page, "wrote a comment that local-admin deleted").count(), 1);
});

scenario("an issue is merged into another by its short id, and the merge undone", options, async ({ server, page }) => {
  const [stays, goes] = await server.accept(
    { title: "stays", service: "merge" }, { title: "goes", service: "merge" }, { title: "goes", service: "merge" },
  );
  await page.goto(`/issues/${stays}`);
  const shortId = await page.locator(".trail .id").innerText();
  await page.goto(`/issues/${goes}`);
  await page.locator("summary", { hasText: "Merge into another issue" }).click();
  await page.getByLabel("The issue that stays").fill(shortId.toLowerCase());
  await leadingAway(page, () => page.getByRole("button", { name: "Merge" }).click());

  assert.equal(path(page), `/issues/${stays}#parts`);
  assert.equal(await page.locator(".stats dd").first().innerText(), "3");
  assert.match(await timeline(page, "merged").innerText(), /MERG-\d+ “goes” into this/);
  await page.goto(`/issues/${goes}`);
  assert.equal(path(page), `/issues/${stays}`, "its id leads to where it is now");

  await leadingAway(page, () => panel(page, "Merged from").getByRole("button", { name: /^Split MERG-\d+ again$/ }).click());
  assert.equal(path(page), `/issues/${goes}`);
  assert.equal(await page.locator(".stats dd").first().innerText(), "2");
  assert.match(await timeline(page, "split").innerText(), new RegExp(`split this from ${shortId} “stays”`));
  await page.goto(`/issues/${stays}`);
  assert.equal(await page.locator(".stats dd").first().innerText(), "1");
  assert.equal(await panel(page, "Merged from").count(), 0);
});

scenario("an issue is muted for a time, until a rate, and heard again", options, async ({ server, page }) => {
  const [id] = await server.accept({ title: "noisy", service: "mute" });
  await page.goto(`/issues/${id}`);
  const badge = () => page.locator(".badges").innerText();
  const open = () => page.locator("#mute > summary").click();
  await open();
  await page.getByLabel("For", { exact: true }).selectOption({ label: "a week" });
  await leadingAway(page, () => page.getByRole("button", { name: "Mute", exact: true }).click());
  assert.match(await badge(), /Muted until/);
  assert.equal(await timeline(page, "muted this until 2").count(), 1);

  await open();
  await page.getByLabel("Until it happens so often").fill("3");
  await page.getByLabel("in one").selectOption("day");
  await leadingAway(page, () => page.getByRole("button", { name: "Mute until then" }).click());
  assert.match(await badge(), /Muted until 3 in one day/);

  await open();
  await leadingAway(page, () => page.getByRole("button", { name: "Unmute" }).click());
  assert.doesNotMatch(await badge(), /Muted/);
});

scenario("an issue is resolved in the next release", options, async ({ server, page }) => {
  const event = { title: "fixed soon", service: "next", release: "1.0" };
  const [id] = await server.accept(event);
  await page.goto(`/issues/${id}`);
  await leadingAway(page, () => page.getByRole("button", { name: "In next release" }).click());
  assert.match(await page.locator(".badges").innerText(), /Resolved\s+.*In the next release/s);
  await server.accept(event);
  await page.reload();
  assert.match(await page.locator(".badges").innerText(), /Resolved/);
  await server.accept({ ...event, release: "1.1" });
  await page.reload();
  assert.match(await page.locator(".badges").innerText(), /Open/);
});

scenario("occurrences are walked through, and each says what it knows", options, async ({ server, page }) => {
  const hour = (nth) => new Date(Date.now() - (9 - nth) * 3_600_000).toISOString();
  const event = (nth) => ({
    title: `order ${nth} refused`, service: "walk", fingerprint: "walked", created_at: hour(nth), release: `1.${nth}`, host: `h${nth}`,
    environment: "production", tags: ["region:eu"], trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
    context: { order: nth, venue: "kraken", token: "[redacted]" },
    backtrace: "   0: std::rt::begin\n             at /rustc/x/rt.rs:1\n   1: walk::order\n             at ./src/order.rs:7:1",
  });
  const [id] = await server.accept(event(1), event(2), event(3));
  const [other] = await server.accept({ title: "caused by it", service: "walk", trace_id: event(1).trace_id });
  await page.goto(`/issues/${id}`);
  const fields = () => panel(page, /^Fields/).innerText();
  const go = (name) => leadingAway(page, () => page.getByRole("link", { name, exact: true }).click());
  assert.match(await fields(), /3\s+number/);
  assert.equal(await page.getByRole("link", { name: "Next", exact: true }).count(), 0);
  await go("Previous");
  assert.match(await fields(), /2\s+number/);
  await go("First");
  assert.match(await fields(), /1\s+number/);
  await go("Next");
  assert.match(await fields(), /2\s+number/);
  const permalink = path(page);
  await go("Latest");
  await page.goto(permalink);
  assert.match(await fields(), /2\s+number/);
  assert.match(await fields(), /redacted/);
  assert.equal(await page.locator("tr[aria-current] td").nth(2).innerText(), "h2");

  assert.match(await panel(page, "Backtrace").locator("> pre").innerText(), /walk::order/);
  assert.equal(await panel(page, "Backtrace").locator("summary").innerText(), "1 frame of other code");
  assert.deepEqual(await panel(page, /^Why/).locator("mark").allInnerTexts(), ["2"]);
  assert.match(await panel(page, /^Two weeks/).innerText(), /First seen in 1\.1 .*, 1\.2 .*, 1\.3/s);
  assert.match(await panel(page, /^Distribution/).innerText(), /region\s+eu\s+100 %/);
  await leadingAway(page, () => panel(page, /^Distribution/).getByRole("link", { name: "1.2" }).click());
  assert.match(path(page), /^\/issues\?q=is:open\+release:1\.2$/);
  await page.goBack();
  await leadingAway(page, () => panel(page, /^Fields/).getByRole("link", { name: "kraken" }).click());
  assert.equal(await rows(page, "order 1 refused").count(), 1, "a value leads to the issues that have it");
  await page.goBack();
  await leadingAway(page, () => panel(page, "In the same trace").getByRole("link", { name: "caused by it" }).click());
  assert.equal(path(page), `/issues/${other}`);
});
