// The tests' own eyes: each thing that the other files take for granted to be seen is done here once, and must be seen.

import assert from "node:assert/strict";

import { overflow, violations } from "./support/accessibility.mjs";
import { prepare } from "./support/scenario.mjs";

const scenario = prepare();

scenario("a violation of the content policy is seen", async ({ page, watch }) => {
  await page.goto("/issues");
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "globalThis.hasRun = true";
    document.body.append(script);
  });
  assert.equal(await page.evaluate(() => globalThis.hasRun), undefined);
  await page.waitForTimeout(50);
  watch.expect(/content policy violated: script-src/);
  watch.expect(/console error/);
});

scenario("an error in the page's scripts and one on the console are seen", async ({ page, watch }) => {
  await page.goto("/issues");
  await page.evaluate(() => {
    console.error("said so");
    setTimeout(() => { throw new Error("thrown on purpose"); });
  });
  await page.waitForTimeout(50);
  watch.expect(/console error: said so/);
  watch.expect(/uncaught: .*thrown on purpose/s);
});

scenario("a dialog and a request to another host are seen", async ({ page, watch }) => {
  await page.goto("/issues");
  await page.evaluate(() => alert("hello"));
  await page.evaluate(() => { document.body.append(Object.assign(new Image(), { src: "http://elsewhere.invalid/pixel.png" })); });
  await page.waitForTimeout(50);
  watch.expect(/dialog: hello/);
  // The content policy stops it before it leaves.
  watch.expect(/content policy violated: img-src/);
  watch.expect(/console error|another host/);
});

scenario("a control without a name, pale text and a page that is too wide are found", { viewport: { width: 360, height: 700 } }, async ({ page }) => {
  await page.goto("/issues");
  assert.deepEqual([await violations(page), await overflow(page)], [[], []]);
  await page.locator("#q").evaluate((input) => { input.removeAttribute("aria-label"); input.removeAttribute("placeholder"); });
  await page.locator("#empty-title").evaluate((heading) => { heading.style.color = "#ddd"; heading.style.width = "900px"; });
  const found = (await violations(page)).join("\n");
  assert.match(found, /^label: /m);
  assert.match(found, /^color-contrast: /m);
  assert.match((await overflow(page)).join("\n"), /<h2 id="empty-title"/);
});
