// Pictures for the README: the list and an issue, as the real `market_data` example fills them. Not a test.
// Run with `node screenshots.mjs`; it writes docs/screenshots/*.png.

import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";

import { launchChromium, openContext } from "./support/chromium.mjs";
import { runExample } from "./support/examples.mjs";
import { leadingAway, rows } from "./support/pages.mjs";
import { startServer } from "./support/server.mjs";

const DIRECTORY = resolve(import.meta.dirname, "../../docs/screenshots");
const SECONDS = 25;
const ERRORS_PER_MINUTE = 600;
const SIZES = [
  { width: 1280, heights: { list: 900, issue: 1180 }, deviceScaleFactor: 1 },
  { width: 390, heights: { list: 844, issue: 844 }, deviceScaleFactor: 2 },
];

const server = await startServer();
const browser = await launchChromium();
try {
  const environment = { TRACING_ISSUES_ENVIRONMENT: "production" };
  const args = ["--seconds", String(SECONDS), "--errors-per-minute", String(ERRORS_PER_MINUTE)];
  await runExample(server, "market_data", args, { environment });
  const issue = await work();
  await mkdir(DIRECTORY, { recursive: true });
  for (const colorScheme of ["light", "dark"]) {
    for (const { width, heights, deviceScaleFactor } of SIZES) {
      const look = { colorScheme, deviceScaleFactor, reducedMotion: "reduce" };
      const { context, watch } = await openContext(browser, server.url, look);
      await watch.ready;
      const page = await context.newPage();
      for (const [name, address] of [["list", "/issues"], ["issue", issue]]) {
        await page.setViewportSize({ width, height: heights[name] });
        await page.goto(address);
        await page.screenshot({ path: `${DIRECTORY}/${name}-${colorScheme}-${width}.png` });
      }
      watch.check();
      await context.close();
    }
  }
} finally {
  await browser.close();
  await server.stop();
}

/** What people would have done by then, so that the pictures show it; returns the address of an issue with much to see. */
async function work() {
  const { context } = await openContext(browser, server.url);
  const page = await context.newPage();
  await page.goto("/issues?sort=occurrences");
  const addresses = await page.locator(".rows .title").evaluateAll((links) => links.map((link) => link.pathname));
  const depths = [];
  for (const address of addresses) {
    await page.goto(address);
    depths.push(await page.locator(".chain > li, .spans > li, .kv > div").count());
  }
  const richest = addresses[depths.indexOf(Math.max(...depths))];

  await page.goto(richest);
  await page.locator("#t-assignee").fill("ada");
  await page.locator("#t-priority").selectOption("high");
  await leadingAway(page, () => page.getByRole("button", { name: "Save" }).click());
  await page.getByLabel("Comment").fill("Only this venue answers so. Asked them to look at it.");
  await leadingAway(page, () => page.getByRole("button", { name: "Comment" }).click());
  await page.goto(addresses.findLast((address) => address !== richest));
  await leadingAway(page, () => page.getByRole("button", { name: "Resolve" }).click());
  await page.goto("/issues");
  await rows(page).first().waitFor();
  await context.close();
  return richest;
}
