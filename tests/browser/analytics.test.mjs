// Analytics: numbers that lead to the lists they count, over all services and of one.

import assert from "node:assert/strict";

import { checkLooks } from "./support/accessibility.mjs";
import { leadingAway, path } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const ago = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();

const EVENTS = [
  { title: "connection refused by harbor", service: "feed", severity: "critical", component: "venues", error: [{ kind: "io::Error", message: "refused" }], release: "1.4", created_at: ago(3) },
  { title: "quote of brook is malformed", service: "feed", severity: "error", component: "parser", created_at: ago(90), occurrences: 40 },
  { title: "refused order: limit reached", service: "a/b c", severity: "warning", component: "api", created_at: ago(3 * 24 * 60), occurrences: 7, dropped_before: { queue_full: 5 } },
];

const scenario = prepare(async (server) => {
  await server.accept(...EVENTS);
});

const number = (page, label) => page.locator(".numbers div").filter({ has: page.getByText(label, { exact: true }) }).locator("dd");

scenario("numbers lead to what they count", async ({ page, server }) => {
  await page.goto("/issues");
  await leadingAway(page, () => page.getByRole("link", { name: "Analytics" }).click());
  assert.equal(path(page), "/analytics");
  assert.equal(await number(page, "occurrences").innerText(), "48");
  assert.equal(await number(page, "new issues").innerText(), "3");
  await leadingAway(page, () => page.getByRole("link", { name: "24 hours" }).click());
  assert.equal(path(page), "/analytics?range=24h");
  assert.equal(await number(page, "occurrences").innerText(), "41");
  assert.match(await page.getByRole("img", { name: /^Occurrences/ }).getAttribute("aria-label"), /1 critical, 40 error/);
  const services = page.getByRole("region", { name: "Services", exact: true });
  assert.match(await services.innerText(), /feed\s+41/);
  await leadingAway(page, () => number(page, "new issues").getByRole("link").click());
  assert.equal(path(page), "/issues?q=is:all+first:%3C24h".replace("%3C", new URL(page.url()).search.includes("%3C") ? "%3C" : "<"));
  assert.equal(await page.getByRole("rowgroup").last().getByRole("row").count(), 2);

  const stats = await (await fetch(`${server.url}/api/v1/stats?range=24h&service=feed`)).json();
  assert.deepEqual([stats.occurrences, stats.created, stats.series.length, stats.counts.by_status.open], [41, 2, 24, 2]);
  assert.deepEqual(stats.by.kind, [{ value: "io::Error", occurrences: 1 }]);
  // It may have been in the hour before this one.
  const critical = stats.series.slice(-2).map(({ by_severity }) => by_severity.critical ?? 0);
  assert.equal(critical[0] + critical[1], 1);
  assert.deepEqual(stats.growing.map(({ service }) => service), ["feed", "feed"]);
  const wrong = await (await fetch(`${server.url}/api/v1/stats?range=1y`)).json();
  assert.equal(wrong.error.fields[0].field, "range");
});

scenario("a service has a page of its own, whatever it is called", async ({ page, server }) => {
  await page.goto("/analytics?range=7d");
  await leadingAway(page, () => page.getByRole("region", { name: "Services", exact: true }).getByRole("link", { name: "a/b c" }).click());
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "a/b c");
  assert.equal(await number(page, "occurrences").innerText(), "7");
  assert.match(await page.getByRole("region", { name: "Reports that services lost" }).innerText(), /a\/b c queue full\s+5/);
  assert.equal(await page.getByRole("region", { name: "Services", exact: true }).count(), 0);
  await leadingAway(page, () => page.getByRole("link", { name: "24 hours" }).click());
  assert.match(await page.locator(".empty").innerText(), /No error in the last 24 hours/);
  assert.equal((await fetch(`${server.url}/services/nobody`)).status, 404);
});

scenario("it can be read in every look, with and without numbers", async ({ page }) => {
  for (const address of ["/analytics", "/analytics?range=24h", "/services/feed", "/docs"]) {
    await page.goto(address);
    await checkLooks(page);
  }
});
