// The list: tabs, filters, search, order and pages. The address holds all of it, so that back, reload and a link from a
// colleague show the same.

import assert from "node:assert/strict";

import { leadingAway, path, rows, titles } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const MINUTE_MS = 60_000;
const ago = (minutes) => new Date(Date.now() - minutes * MINUTE_MS).toISOString();

const NAMED = [
  { title: "connection refused by harbor", service: "feed", environment: "production", severity: "critical", component: "venues", tags: ["region:eu"], created_at: ago(1) },
  { title: "quote of brook is malformed", service: "feed", environment: "staging", severity: "error", component: "venues", tags: ["region:eu"], created_at: ago(2), occurrences: 40 },
  { title: "refused order: limit reached", service: "orders", environment: "production", severity: "warning", component: "api", created_at: ago(3) },
  { title: "archive is nearly full", service: "orders", environment: "production", severity: "warning", type: "enhancement", created_at: ago(4), occurrences: 7 },
];
const BULK = 120;
const PAGE = 50;
/** Ten at a time in the same microsecond: the order within them must not lose or repeat any at the edge of a page. */
const bulk = Array.from({ length: BULK }, (_, index) => ({
  title: `bulk ${String.fromCharCode(97 + (index % 26))}`,
  fingerprint: `bulk ${index}`,
  service: "bulk",
  created_at: ago(60 + Math.floor(index / 10)),
}));
// One timestamp for each ten.
for (const [index, event] of bulk.entries()) event.created_at = bulk[index - (index % 10)].created_at;

const scenario = prepare(async (server) => {
  await server.accept(...NAMED);
  const ids = await server.accept(...bulk);
  assert.equal(new Set(ids).size, BULK);
});

const tab = (page, name) => page.getByRole("navigation", { name: "Status" }).getByRole("link", { name });
const search = async (page, text) => {
  await page.getByLabel("Search issues").fill(text);
  await leadingAway(page, () => page.getByLabel("Search issues").press("Enter"));
};
const choose = (page, name, value) => leadingAway(page, () => page.locator(`select[name=${name}]`).selectOption(value));
const shortTitles = async (page) => (await titles(page)).map((title) => title.split(" ")[0]);

scenario("choosing filters narrows the list, and the address says which", async ({ page }) => {
  await page.goto("/issues");
  await choose(page, "service", "feed");
  assert.equal(path(page), "/issues?q=is:open+service:feed");
  assert.deepEqual(await shortTitles(page), ["connection", "quote"]);
  await choose(page, "environment", "production");
  assert.deepEqual(await shortTitles(page), ["connection"]);
  assert.equal(await page.locator(".pager p").innerText(), "1 issue");
  assert.equal(await page.locator("select[name=environment]").inputValue(), "production");

  await page.goBack();
  assert.equal(path(page), "/issues?q=is:open+service:feed");
  assert.deepEqual(await shortTitles(page), ["connection", "quote"]);
  await page.reload();
  assert.deepEqual(await shortTitles(page), ["connection", "quote"]);
  assert.equal(await page.locator("select[name=service]").inputValue(), "feed");

  await choose(page, "service", "");
  assert.doesNotMatch(path(page), /service/);
  await choose(page, "severity", "warning");
  assert.deepEqual(await shortTitles(page), ["refused", "archive"]);
  await choose(page, "type", "enhancement");
  assert.deepEqual(await shortTitles(page), ["archive"]);
});

scenario("a row says how many hosts are affected, and a host finds its issues", async ({ page, server }) => {
  for (const host of ["node-1", "node-2"]) await server.accept({ title: "seen on hosts", service: "hosts", host, created_at: ago(50) });
  await page.goto("/issues?q=host:node-2");
  assert.deepEqual(await titles(page), ["seen on hosts"]);
  assert.equal(await rows(page).locator(".m-hosts").innerText(), "2 hosts");
});

scenario("the order can be chosen", async ({ page }) => {
  await page.goto("/issues");
  assert.deepEqual((await shortTitles(page)).slice(0, 4), ["connection", "quote", "refused", "archive"]);
  await choose(page, "sort", "occurrences");
  assert.match(path(page), /sort=occurrences/);
  assert.deepEqual((await shortTitles(page)).slice(0, 2), ["quote", "archive"]);
  assert.equal(await page.locator("select[name=sort]").inputValue(), "occurrences");
  await choose(page, "sort", "priority");
  assert.deepEqual((await shortTitles(page)).slice(0, 1), ["connection"]);
});

scenario("rows, counts and chart are about the time that is chosen", async ({ page, server }) => {
  await server.accept({ title: "seen now and then", service: "time", created_at: ago(3 * 24 * 60), occurrences: 40 });
  await server.accept({ title: "seen now and then", service: "time", created_at: ago(5), occurrences: 2 });
  await server.accept({ title: "seen then", service: "time", created_at: ago(3 * 24 * 60), severity: "critical" });
  await page.goto("/issues?service=time");
  const chart = page.locator(".chart").getByRole("img");
  assert.match(await chart.getAttribute("aria-label"), /in the last 14 days: 1 critical, 42 error/);
  await choose(page, "seen", "<1d");
  assert.equal(path(page), "/issues?q=is:open+service:time+seen:%3C1d");
  assert.deepEqual(await titles(page), ["seen now and then"]);
  assert.match(await tab(page, /^Open/).innerText(), /1$/);
  assert.match(await chart.getAttribute("aria-label"), /in the last 24 hours: 2 error/);
  assert.equal(await rows(page).locator(".c-count b").innerText(), "2");
  assert.match(await rows(page).locator(".c-spark svg").getAttribute("aria-label"), /^2 in the last 24 hours/);
});

scenario("the search finds words, phrases and keys, and is the whole filter", async ({ page }) => {
  await page.goto("/issues?environment=production");
  assert.equal(path(page), "/issues?q=is:open+env:production");
  assert.equal(await page.getByLabel("Search issues").inputValue(), "is:open env:production");
  await search(page, "is:open refused env:production");
  assert.equal(path(page), "/issues?q=is:open+refused+env:production");
  assert.deepEqual((await shortTitles(page)).sort(), ["connection", "refused"]);
  assert.equal(await page.locator("select[name=environment]").inputValue(), "production");
  await search(page, "is:open refused");
  assert.equal(await page.locator("select[name=environment]").inputValue(), "", "what was taken out of the text is not chosen any more");
  await search(page, "-service:feed,bulk,time,hosts -limit");
  assert.deepEqual(await shortTitles(page), ["archive"]);
  await search(page, '"connection refused"');
  assert.deepEqual(await shortTitles(page), ["connection"]);
  await search(page, "service:orders refused");
  assert.deepEqual(await shortTitles(page), ["refused"]);
  assert.equal(await page.getByLabel("Search issues").inputValue(), "service:orders refused");
  await page.goBack();
  assert.deepEqual(await shortTitles(page), ["connection"]);
  assert.equal(await page.getByLabel("Search issues").inputValue(), '"connection refused"');

  await search(page, "nothing says this");
  await page.getByRole("heading", { name: "No issue matches" }).waitFor();
  await leadingAway(page, () => page.getByRole("link", { name: "Show all issues" }).click());
  assert.equal(path(page), "/issues?q=");
  assert.equal(await rows(page).count(), PAGE);
});

scenario("a wrong key is explained, and what was typed is kept", async ({ page, watch }) => {
  await page.goto("/issues");
  await search(page, "is:open servce:feed");
  watch.expect(/status of 400/);
  assert.match(await page.getByRole("alert").innerText(), /`servce`, did you mean `service:`/);
  assert.equal(await page.getByLabel("Search issues").inputValue(), "is:open servce:feed");
  await search(page, "is:open service:feed");
  assert.equal(await rows(page).count(), 2);
});

scenario("a list that is empty tells which term to drop", async ({ page }) => {
  await page.goto("/issues?q=is:open+service:feed+severity:warning+connection");
  await page.getByRole("heading", { name: "No issue matches" }).waitFor();
  const drops = page.getByRole("list", { name: "Filters to drop" });
  assert.deepEqual(await drops.locator(".chip-text").allInnerTexts(), ["severity:warning"]);
  await leadingAway(page, () => drops.getByRole("link").click());
  assert.deepEqual(await shortTitles(page), ["connection"]);
});

scenario("a short id leads to its issue", async ({ page }) => {
  await page.goto("/issues?service=feed");
  const id = await rows(page).first().locator(".m-id").innerText();
  await search(page, id.toLowerCase());
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "connection refused by harbor");
});

scenario("tabs count, select and keep the filters", async ({ page, server }) => {
  const [id] = await server.accept({ title: "tabbed and done", service: "tabs" });
  await server.accept({ title: "tabbed and open", service: "tabs" });
  await page.goto(`/issues/${id}`);
  await leadingAway(page, () => page.getByRole("button", { name: "Resolve" }).click());

  await page.goto("/issues?service=tabs");
  const counts = async () => (await page.locator(".tabs a").allInnerTexts()).map((text) => text.replace(/\s+/g, " "));
  assert.deepEqual(await counts(), ["Open 1", "In progress 0", "Unassigned 1", "Regressed 0", "Muted 0", "Resolved 1", "Closed 0", "All 2"]);
  assert.equal(await tab(page, /^Open/).getAttribute("aria-current"), "page");
  assert.deepEqual(await titles(page), ["tabbed and open"]);
  await leadingAway(page, () => tab(page, /^Resolved/).click());
  assert.equal(path(page), "/issues?q=is:resolved+service:tabs");
  assert.deepEqual(await titles(page), ["tabbed and done"]);
  assert.equal(await tab(page, /^Resolved/).getAttribute("aria-current"), "page");
  assert.deepEqual(await counts(), ["Open 1", "In progress 0", "Unassigned 1", "Regressed 0", "Muted 0", "Resolved 1", "Closed 0", "All 2"]);

  // A filter keeps the tab, too.
  await choose(page, "severity", "error");
  assert.match(path(page), /is:resolved/);
  assert.deepEqual(await titles(page), ["tabbed and done"]);
  await leadingAway(page, () => tab(page, /^All/).click());
  assert.equal(await rows(page).count(), 2);
  await leadingAway(page, () => tab(page, /^Closed/).click());
  await page.getByRole("heading", { name: "No issue matches" }).waitFor();
});

scenario("each term is a chip that can be taken off", async ({ page }) => {
  await page.goto("/issues?service=feed&severity=error");
  await leadingAway(page, () => rows(page).getByRole("link", { name: "region:eu" }).click());
  assert.equal(path(page), "/issues?q=is:open+tag:region:eu");
  assert.equal(await rows(page).count(), 2);
  await page.goto("/issues?service=feed&tag=region%3Aeu&component=venues");
  const chips = page.getByRole("list", { name: "Active filters" });
  assert.deepEqual(await chips.locator(".chip-text").allInnerTexts(), ["is:open", "service:feed", "component:venues", "tag:region:eu"]);
  await leadingAway(page, () => chips.getByRole("link", { name: "tag:region:eu" }).click());
  assert.equal(path(page), "/issues?q=is:open+service:feed+component:venues");
  await leadingAway(page, () => page.getByRole("link", { name: "Clear all" }).click());
  assert.equal(path(page), "/issues?q=");
});

scenario("pages follow each other without losing or repeating an issue", async ({ page }) => {
  await page.goto("/issues?service=bulk");
  assert.equal(await page.locator(".pager p").innerText(), `${BULK} issues`);
  const ids = () => rows(page).evaluateAll((all) => all.map((row) => row.dataset.id));
  const pages = [await ids()];
  const next = page.getByRole("link", { name: "Next page" });
  while (await next.count()) {
    await leadingAway(page, () => next.click());
    assert.match(path(page), /service:bulk/);
    pages.push(await ids());
    assert.ok(pages.length <= 3, "more pages than issues");
  }
  assert.deepEqual(pages.map((one) => one.length), [PAGE, PAGE, BULK - 2 * PAGE]);
  assert.equal(new Set(pages.flat()).size, BULK);

  await page.goBack();
  assert.deepEqual(await ids(), pages[1]);
  await page.goBack();
  assert.deepEqual(await ids(), pages[0]);
  // Another filter starts on its first page.
  await page.goForward();
  await choose(page, "severity", "error");
  assert.doesNotMatch(path(page), /cursor/);
  assert.deepEqual(await ids(), pages[0]);
});

scenario("back from an issue leads to the list as it was", async ({ page }) => {
  await page.goto("/issues?service=bulk");
  await leadingAway(page, () => page.getByRole("link", { name: "Next page" }).click());
  const address = path(page);
  await leadingAway(page, () => page.locator(".rows .title").nth(7).click());
  await page.goBack();
  assert.equal(path(page), address);
  assert.equal(await rows(page).count(), PAGE);
});

scenario("the first look at a full list costs less than 100 KiB", async ({ page, context }) => {
  const client = await context.newCDPSession(page);
  await client.send("Network.enable");
  let bytes = 0;
  client.on("Network.loadingFinished", ({ encodedDataLength }) => { bytes += encodedDataLength; });
  await page.goto("/issues?q=");
  await page.waitForLoadState("load");
  assert.equal(await page.locator("tbody tr").count(), PAGE);
  assert.ok(bytes > 10_000, `only ${bytes} bytes were seen`);
  assert.ok(bytes < 100 * 1_024, `${bytes} bytes`);
  console.log(`a list of ${PAGE} rows on a cold cache: ${bytes} bytes`);
});
