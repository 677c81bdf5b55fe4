// Accessible: every page in light and dark, narrow and wide, keeps the rules that axe-core can check and fits its width.

import assert from "node:assert/strict";

import { TWO_LOOKS, checkLooks } from "./support/accessibility.mjs";
import { banner, leadingAway, openListening, rows } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const LONG = "averylongwordwithoutanyplacetobreakit".repeat(8);

/** Short enough not to be folded away. */
const UNFOLDED = LONG.slice(0, 250);

/** An issue with every part that the page can show, and text that fits nowhere. */
const RICH = {
  title: `quote of ${LONG} is malformed`,
  description: `# Heading\n\n| a | b |\n|---|---|\n| ${LONG} | 1 |\n\n- \`${LONG}\`\n\n> quoted\n\n\`\`\`\n${LONG} ${LONG}\n\`\`\``,
  severity: "critical",
  service: "market-data",
  component: `venues-${LONG}`,
  environment: "production",
  release: "1.2.3",
  project: "alphafusion",
  host: LONG,
  pid: 7,
  thread: "worker",
  assignee_id: `${LONG}@example.com`,
  tags: ["region:eu", "team:core", `long:${LONG}`, "four", "five"],
  error: [
    { kind: `market_data::quotes::FetchError<${LONG}>`, message: `venue ${LONG}` },
    { kind: "serde_json::Error", message: `line 1: ${"long ".repeat(80)}` },
    { kind: "std::io::Error", message: "connection refused" },
  ],
  spans: Array.from({ length: 4 }, (_, depth) => ({ name: `span_${depth}`, target: `market_data::${LONG}`, fields: { symbol: "BTC-USD", url: UNFOLDED, body: LONG } })),
  context: { order: 17, component: "venues", token: UNFOLDED, body: `{"price": ${LONG}${LONG}}`, [LONG]: "x" },
  breadcrumbs: Array.from({ length: 26 }, (_, index) => ({ at: new Date(Date.now() - index * 1000).toISOString(), level: ["INFO", "WARN", "ERROR"][index % 3], message: `step ${index} ${LONG}` })),
  location: { module: "market_data::quotes", file: `src/${LONG}/quotes.rs`, line: 42 },
  backtrace: `   0: core::panicking::panic\n             at ${LONG}.rs:1`,
  dropped_before: { queue_full: 3 },
  trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
};

const OTHERS = ["warning", "error", "critical"].flatMap((severity) => [
  { title: `a ${severity}`, severity, service: "orders", priority: "critical" },
  { title: `a quiet ${severity}`, severity, service: "orders", priority: "low", type: "task", assignee_id: "ada" },
]);

let richUrl;
const scenario = prepare();

scenario("the empty list", async ({ page }) => {
  await page.goto("/issues");
  await page.getByRole("heading", { name: "Nothing has gone wrong yet" }).waitFor();
  await checkLooks(page);
});

scenario("(then errors come, and people work on them)", async ({ server, page }) => {
  const [id, second, third, fourth] = await server.accept(RICH, ...OTHERS);
  richUrl = `/issues/${id}`;
  for (const [issue, button] of [[second, "Start work"], [third, "Resolve"], [fourth, "Close"], [id, "Resolve"]]) {
    await page.goto(`/issues/${issue}`);
    await leadingAway(page, () => page.getByRole("button", { name: button }).click());
  }
  await server.comment(id, `Seen with \`${LONG}\` and [a link](https://example.com)\n\n| t | u |\n|---|---|\n| ${LONG} | v |`);
  const [merged] = await server.accept({ title: `merged ${LONG}`, service: "market-data" }, { title: `beside ${LONG}`, service: "orders", trace_id: RICH.trace_id });
  await page.goto(`/issues/${merged}`);
  await page.locator("summary", { hasText: "Merge into another issue" }).click();
  await page.getByLabel("The issue that stays").fill(id);
  await leadingAway(page, () => page.getByRole("button", { name: "Merge" }).click());
  await server.accept(RICH);
  await page.goto(richUrl);
  assert.equal(await page.locator(".is-regressed").count(), 1);
});

scenario("the list", async ({ page }) => {
  await page.goto("/issues?status=all");
  assert.equal(await rows(page).count(), 2 + OTHERS.length);
  await checkLooks(page);
});

scenario("the list with a filter, news and the sheet of keys", async ({ server, page }) => {
  await openListening(page, "/issues?status=all&tag=region%3Aeu");
  await server.accept({ title: "news", service: "orders", tags: ["region:eu"] });
  await banner(page).getByText("1 new issue").waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await checkLooks(page, TWO_LOOKS);
});

scenario("a list that nothing matches", async ({ page }) => {
  await page.goto("/issues?q=nothing-like-this&tag=a%3Ab");
  await checkLooks(page, TWO_LOOKS);
});

scenario("an issue with everything", async ({ page }) => {
  await page.goto(richUrl);
  for (const details of await page.locator("details").all()) await details.evaluate((element) => { element.open = true; });
  await checkLooks(page);
});

scenario("dead letters, where there can be none", async ({ page }) => {
  await page.goto("/dead-letters");
  await page.getByRole("heading", { name: "No dead letters without Kafka" }).waitFor();
  await checkLooks(page, TWO_LOOKS);
});

scenario("a new issue, with a complaint", async ({ page, watch }) => {
  await page.goto("/issues/new");
  await checkLooks(page);
  await page.getByLabel("Title").fill(" ");
  await leadingAway(page, () => page.getByRole("button", { name: "Create issue" }).click());
  watch.expect(/status of 400/);
  await checkLooks(page, TWO_LOOKS);
});

scenario("an address that leads nowhere", async ({ page, watch }) => {
  const response = await page.goto("/issues/no-such-issue");
  assert.equal(response.status(), 404);
  watch.expect(/status of 404/);
  await checkLooks(page);
});
