// The keyboard: everything between the list and an issue without a mouse, and no key taken from somebody who writes.

import assert from "node:assert/strict";

import { leadingAway, path, timeline } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

// The newest is on top.
const NAMES = ["alpha", "bravo", "charlie"];
const scenario = prepare((server) => server.accept(
  ...NAMES.map((title, index) => ({ title, service: "keys", created_at: new Date(Date.now() - index * 60_000).toISOString() })),
));

const focused = (page) => page.evaluate(() => document.activeElement.closest("tr")?.querySelector(".title").innerText ?? null);
const press = async (page, ...keys) => { for (const key of keys) await page.keyboard.press(key); };

scenario("j and k walk the rows and stop at the ends", async ({ page }) => {
  await page.goto("/issues");
  const steps = [["j", "alpha"], ["j", "bravo"], ["j", "charlie"], ["j", "charlie"], ["k", "bravo"], ["k", "alpha"], ["k", "alpha"]];
  for (const [key, expected] of steps) {
    await press(page, key);
    assert.equal(await focused(page), expected, key);
  }
  // Where one is has to be visible.
  const outline = await page.locator(".title:focus").evaluate((link) => getComputedStyle(link, "::after").outlineStyle);
  assert.equal(outline, "solid");
});

scenario("Enter and o open the row, u leads back to the list as it was, and j goes on from there", async ({ page }) => {
  await page.goto("/issues?service=keys");
  await press(page, "j", "j");
  await leadingAway(page, () => press(page, "Enter"));
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "bravo");
  await leadingAway(page, () => press(page, "u"));
  assert.equal(path(page), "/issues?q=is:open+service:keys");
  await press(page, "j");
  assert.equal(await focused(page), "charlie");
  await leadingAway(page, () => press(page, "o"));
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "charlie");
});

scenario("u leads to the list also from an issue that was opened directly", async ({ page }) => {
  await page.goto("/issues");
  const address = await page.locator(".rows .title").first().getAttribute("href");
  const direct = await page.context().newPage();
  await direct.goto(address);
  await leadingAway(direct, () => press(direct, "u"));
  assert.equal(path(direct), "/issues");
});

scenario("slash goes to the search, Escape leaves it", async ({ page }) => {
  await page.goto("/issues?q=bravo");
  await press(page, "/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "q");
  // What stood there is selected, so that typing replaces it; the slash itself is not typed.
  await page.keyboard.type("charlie");
  assert.equal(await page.locator("#q").inputValue(), "charlie");
  await press(page, "Escape");
  assert.equal(await page.evaluate(() => document.activeElement.id), "");
  await press(page, "/");
  await page.keyboard.type("charlie");
  await leadingAway(page, () => press(page, "Enter"));
  await press(page, "j");
  assert.equal(await focused(page), "charlie");

  await leadingAway(page, () => press(page, "Enter"));
  await leadingAway(page, () => press(page, "/"));
  assert.equal(await page.evaluate(() => document.activeElement.id), "q");
});

scenario("c writes an issue, g i goes to the list", async ({ page }) => {
  await page.goto("/issues");
  await leadingAway(page, () => press(page, "c"));
  assert.equal(path(page), "/issues/new");
  await page.evaluate(() => document.activeElement.blur());
  await leadingAway(page, () => press(page, "g", "i"));
  assert.equal(path(page), "/issues");
});

scenario("question mark explains the keys, and nothing else happens behind the sheet", async ({ page }) => {
  await page.goto("/issues");
  const sheet = page.getByRole("dialog", { name: "Keyboard" });
  assert.equal(await sheet.isVisible(), false);
  await press(page, "Shift+Slash");
  assert.equal(await sheet.isVisible(), true);
  assert.match(await sheet.innerText(), /Next, previous issue/);
  await press(page, "j", "c");
  assert.equal(await focused(page), null);
  assert.equal(path(page), "/issues");
  await press(page, "Escape");
  assert.equal(await sheet.isVisible(), false);
  await page.getByRole("button", { name: "Keyboard shortcuts" }).click();
  assert.equal(await sheet.isVisible(), true);
  await sheet.getByRole("button", { name: "Close" }).click();
  assert.equal(await sheet.isVisible(), false);
});

scenario("keys are letters where somebody writes, and the browser's with a modifier", async ({ page }) => {
  const all = "jkoc/?ugi";
  await page.goto("/issues");
  await page.locator("#q").fill("");
  await page.keyboard.type(all);
  assert.equal(await page.locator("#q").inputValue(), all);
  await page.locator("select[name=severity]").focus();
  await press(page, "j", "c");
  assert.equal(path(page), "/issues");
  assert.equal(await focused(page), null);

  await page.locator("#q").fill("");
  await page.locator("h1").click({ force: true });
  await press(page, "Control+c", "Control+j", "Alt+j");
  assert.equal(path(page), "/issues");
  assert.equal(await focused(page), null);

  await leadingAway(page, () => page.locator(".rows .title").first().click());
  const address = path(page);
  for (const field of ["#content", "#t-assignee"]) {
    await page.locator(field).focus();
    await page.keyboard.type(all);
    assert.equal(await page.locator(field).inputValue(), all);
  }
  assert.equal(path(page), address);
  assert.equal(await page.getByRole("dialog").count(), 0);
});

scenario("Ctrl and Enter send a comment", async ({ page }) => {
  await page.goto("/issues");
  await leadingAway(page, () => page.locator(".rows .title").first().click());
  await page.locator("#content").fill("sent by keys");
  await leadingAway(page, () => press(page, "Control+Enter"));
  assert.equal(await timeline(page, "sent by keys").count(), 1);
});

scenario("Tab reaches the skip link first, and it leads past the navigation", async ({ page }) => {
  await page.goto("/issues");
  await press(page, "Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
  await page.waitForFunction(() => document.activeElement.getBoundingClientRect().top >= 0);
  await press(page, "Enter", "Tab");
  assert.equal(await page.evaluate(() => document.querySelector("main").contains(document.activeElement)), true);
});

scenario("the issue page: every act of triage has its key, and none of them one in a text", async ({ server, page }) => {
  const event = (nth) => ({ title: "triage me", service: "keys", fingerprint: "keys", created_at: new Date(Date.now() - (9 - nth) * 60_000).toISOString() });
  const [id] = await server.accept(event(1), event(2));
  await page.goto(`/issues/${id}`);
  const act = (key) => leadingAway(page, () => press(page, key));
  const badges = () => page.locator(".badges").innerText();
  await act("r");
  assert.match(await badges(), /Resolved/);
  await act("r");
  assert.match(await badges(), /Open/);
  await act("e");
  assert.match(await badges(), /Closed/);
  await act("e");
  await act("1");
  assert.match(await badges(), /Critical priority/);
  await act("4");
  assert.match(await badges(), /Low priority/);
  await act("i");
  assert.match(await badges(), /local-admin/);

  const active = () => page.evaluate(() => document.activeElement.id);
  const blur = () => page.evaluate(() => document.activeElement.blur());
  for (const [key, control] of [["a", "t-assignee"], ["m", "mute-for"], ["c", "content"]]) {
    await press(page, key);
    assert.equal(await active(), control, key);
    await page.keyboard.type("r1");
    assert.equal(path(page), `/issues/${id}`);
    await blur();
  }
  assert.match(await badges(), /Open/);
  await act("[");
  assert.match(path(page), /occurrences/);
  await act("]");
  await press(page, "Shift+Slash");
  assert.match(await page.getByRole("dialog").innerText(), /Resolve, or reopen/);
  await press(page, "Escape");
  await leadingAway(page, () => press(page, "g", "i"));
  assert.equal(path(page), "/issues");
});
