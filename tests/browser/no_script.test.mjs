// Without JavaScript: all that matters works with links and forms alone.

import assert from "node:assert/strict";

import { leadingAway, panel, path, rows, status, timeline, titles } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const COUNT = 60;
const scenario = prepare((server) => server.accept(
  { title: "needs a hand", service: "plain", severity: "critical", error: [{ kind: "E", message: "outer" }, { kind: "F", message: "inner" }] },
  ...Array.from({ length: COUNT }, (_, index) => ({ title: "one of many", service: "many", fingerprint: `many ${index}` })),
));
const options = { javaScriptEnabled: false };

scenario("scripts are off indeed, and what needs them is not shown", options, async ({ page }) => {
  const requests = [];
  page.on("request", (request) => requests.push(new URL(request.url()).pathname));
  await page.goto("/issues");
  assert.deepEqual(requests.filter((path) => path === "/api/v1/stream" || path.endsWith(".js")), []);
  await page.keyboard.press("c");
  assert.equal(path(page), "/issues");
  assert.equal(await page.locator(".needs-js").filter({ visible: true }).count(), 0);
});

scenario("search, filter, open, resolve and comment", options, async ({ page }) => {
  await page.goto("/");
  await page.locator("select[name=service]").selectOption("plain");
  await page.locator("#q").fill("hand");
  await leadingAway(page, () => page.getByRole("button", { name: "Search" }).click());
  assert.match(path(page), /q=hand\+service:plain/);
  assert.deepEqual(await titles(page), ["E needs a hand"]);

  await leadingAway(page, () => page.getByRole("link", { name: /needs a hand/ }).click());
  assert.deepEqual(await panel(page, /^Error/).locator(".e-message").allInnerTexts(), ["outer", "inner"]);
  await leadingAway(page, () => page.getByRole("button", { name: "Resolve" }).click());
  assert.equal(await status(page), "Resolved");
  assert.equal(await timeline(page, "changed the status from Open to Resolved").count(), 1);
  await page.getByLabel("Comment").fill("done **without** scripts");
  await leadingAway(page, () => page.getByRole("button", { name: "Comment" }).click());
  assert.equal(await page.locator(".t-comment strong", { hasText: "without" }).count(), 1);
  await page.getByLabel("Assignee").fill("ada");
  await leadingAway(page, () => page.getByRole("button", { name: "Save" }).click());
  assert.match(await page.locator(".badges").innerText(), /ada/);

  await leadingAway(page, () => page.locator("a.back").click());
  await leadingAway(page, () => page.getByRole("link", { name: /^Resolved/ }).click());
  assert.deepEqual(await titles(page), ["E needs a hand"]);
});

scenario("write an issue, with a complaint on the way", options, async ({ page, watch }) => {
  await page.goto("/issues");
  await leadingAway(page, () => page.getByRole("link", { name: "New issue" }).click());
  await page.getByLabel("Title").fill("  ");
  await page.getByLabel("Description").fill("kept");
  await leadingAway(page, () => page.getByRole("button", { name: "Create issue" }).click());
  watch.expect(/status of 400/);
  assert.equal(await page.getByLabel("Description").inputValue(), "kept");
  await page.getByLabel("Title").fill("written plainly");
  await leadingAway(page, () => page.getByRole("button", { name: "Create issue" }).click());
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "written plainly");
  assert.equal(await panel(page, "Description").locator(".prose").innerText(), "kept");
});

scenario("page through the list and back", options, async ({ page }) => {
  await page.goto("/issues?service=many");
  assert.equal(await rows(page).count(), 50);
  const first = await rows(page).first().getAttribute("data-id");
  await leadingAway(page, () => page.getByRole("link", { name: "Next page" }).click());
  assert.equal(await rows(page).count(), COUNT - 50);
  assert.equal(await page.getByRole("link", { name: "Next page" }).count(), 0);
  await page.goBack();
  assert.equal(await rows(page).first().getAttribute("data-id"), first);
});
