// What is measured on a page: the rules of WCAG 2.0 to 2.2, levels A and AA, as axe-core checks them, and its width.

import assert from "node:assert/strict";

import axe from "axe-core";

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"];

/** The rules that the page breaks: which, and where. */
export async function violations(page) {
  if (!await page.evaluate(() => "axe" in globalThis)) await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate((tags) => globalThis.axe.run(document, {
    runOnly: { type: "tag", values: tags },
    resultTypes: ["violations", "passes"],
  }), TAGS);
  if (passes.length < 10) throw new Error(`only ${passes.length} rules applied: this was no page`);
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`);
}

/** What sticks out of the page to the right; the reader would have to scroll sideways. */
export async function overflow(page) {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const widest = [...document.body.querySelectorAll("*")]
      .map((element) => ({ element, right: element.getBoundingClientRect().right }))
      .sort((a, b) => b.right - a.right)
      .slice(0, 5);
    return [`${scrollWidth} px on ${clientWidth}`, ...widest.map(({ element, right }) => `${element.cloneNode().outerHTML} to ${right}`)];
  });
}

const LOOKS = ["light", "dark"].flatMap((colorScheme) => [360, 1280].map((width) => ({ colorScheme, width })));
/** Both colours and both widths, for what differs little from a page that is checked in every look. */
export const TWO_LOOKS = [LOOKS[0], LOOKS[3]];
const HEIGHT = 900;

/** Looks at the open page in each way that readers may, or in those given. */
export async function checkLooks(page, looks = LOOKS) {
  const backgrounds = new Set();
  for (const { colorScheme, width } of looks) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height: HEIGHT });
    const found = [...await violations(page), ...await overflow(page)];
    assert.deepEqual(found, [], `${page.url()}, ${colorScheme}, ${width} wide`);
    backgrounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
  }
  assert.equal(backgrounds.size, 2, "light and dark look the same");
}
