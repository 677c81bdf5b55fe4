// The road: an error happens in a real process, a developer finds it on the dashboard and reads why.

import assert from "node:assert/strict";

import { runExample } from "./support/examples.mjs";
import { leadingAway, panel, path, rows, titles } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const scenario = prepare();

scenario("an error of `minimal` is on the list, and its page tells why it happened", async ({ server, page }) => {
  await page.goto("/");
  assert.equal(path(page), "/issues");
  await page.getByRole("heading", { name: "Nothing has gone wrong yet" }).waitFor();
  // What the page tells people to do has to work here.
  assert.match(await page.locator("main").innerText(), new RegExp(`TRACING_ISSUES_URL=${server.url}`));

  const { stdout } = await runExample(server, "minimal", [], { environment: { TRACING_ISSUES_RELEASE: "1.2.3" } });
  assert.match(stdout, /order refused/);

  await page.reload();
  const row = rows(page, "order refused: the quantity is not a number");
  assert.equal(await rows(page).count(), 1);
  assert.equal(await row.locator(".title strong").innerText(), "ParseIntError");
  assert.equal(await row.locator(".m-service").innerText(), "minimal");
  const location = await row.locator(".meta code").innerText();
  assert.match(location, /minimal\.rs:\d+$/);
  assert.equal(await row.locator(".c-kind").innerText(), "Error");
  assert.equal(await row.locator(".c-count b").innerText(), "1");
  assert.equal(await row.locator(".c-last").innerText(), "just now");

  const response = await leadingAway(page, () => row.getByRole("link", { name: /order refused/ }).click());
  assert.equal(response.status(), 200);
  assert.match(path(page), /^\/issues\/[0-9a-z]{16}$/);
  assert.equal(
    await page.getByRole("heading", { level: 1 }).innerText(),
    "ParseIntError order refused: the quantity is not a number",
  );
  assert.match(await page.title(), /^order refused/);

  const error = panel(page, /^Error/);
  assert.deepEqual(await error.locator(".e-message").allInnerTexts(), [
    "the quantity is not a number",
    "invalid digit found in string",
  ]);
  const root = error.locator(".chain > .is-root");
  assert.equal(await root.locator(".e-kind").innerText(), "ParseIntError");
  assert.match(await root.innerText(), /caused by root cause/);
  assert.match(await error.locator(".at").innerText(), /^at examples\/src\/bin\/minimal\.rs:\d+ in minimal$/);
  // The list and the head may leave out where the path begins, nothing else.
  const where = await error.locator(".at code").first().innerText();
  for (const short of [location, await page.locator(".where code").innerText()]) assert.ok(where.endsWith(short), short);

  assert.equal(await panel(page, /^Fields/).locator(".kv").innerText(), "order\n17 number");
  const facts = await panel(page, "Where it happened").innerText();
  assert.match(facts, /Service\s+minimal/);
  assert.match(facts, /Environment\s+development/);
  assert.match(facts, /Release\s+1\.2\.3/);
  assert.match(facts, /Process\s+\d+/);
  assert.match(facts, /Thread\s+main/);
  assert.match(await page.locator(".stats").innerText(), /Occurrences\s+1\s/);
  assert.equal(await panel(page, /^Occurrences/).locator("tbody tr").count(), 1);
  assert.equal(await panel(page, /^Spans/).count(), 0);
});

scenario("spans, fields and the exact number of occurrences arrive", async ({ server, page }) => {
  const { stdout } = await runExample(server, "storm", ["--rate", "max", "--distinct", "1", "--events", "1234", "--threads", "1"]);
  const counts = JSON.parse(stdout);
  assert.equal(counts.emitted, 1234);
  assert.equal(counts.delivered, 1234, stdout);

  await page.goto("/issues?service=storm");
  assert.deepEqual(await titles(page), ["io::Error(ConnectionRefused) the ledger service in amber stalled: connection refused"]);
  const count = rows(page).locator(".c-count b");
  assert.equal(await count.innerText(), "1.2k");
  assert.equal(await count.getAttribute("title"), "1234 occurrences");

  await leadingAway(page, () => page.locator(".rows .title").click());
  assert.equal(await page.locator(".stats dd").first().getAttribute("title"), "1234");
  const spans = panel(page, /^Spans/).locator(".spans > li");
  assert.equal(await spans.count(), 1);
  assert.match(await spans.innerText(), /^storm storm\s+thread\s+0 number$/);
  assert.match(await panel(page, /^Fields/).locator(".kv").innerText(), /^number\n\d+ number$/);
});

scenario("a short-lived process does not lose its last error", async ({ server, page }) => {
  const trades = new URL("fixtures/trades.jsonl", import.meta.url).pathname;
  await runExample(server, "cli", [trades], { expectedCode: 1 });
  await page.goto("/issues?service=cli");
  await leadingAway(page, () => page.getByRole("link", { name: /import failed/ }).click());
  assert.deepEqual(await panel(page, /^Error/).locator(".e-message").allInnerTexts(), [
    "line 2 is not a trade",
    '"3120,55" is no price',
    "invalid float literal",
  ]);
});
