// A list of nothing: it teaches how to get something, with a button that sends an error.

import assert from "node:assert/strict";

import { leadingAway, rows, titles } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const scenario = prepare();

scenario("the first error can be sent from the empty list", { javaScriptEnabled: false }, async ({ page }) => {
  await page.goto("/");
  await page.getByRole("heading", { name: "Nothing has gone wrong yet" }).waitFor();
  await leadingAway(page, () => page.getByRole("button", { name: "Send a test error" }).click());
  assert.deepEqual(await titles(page), ["This is a test error"]);
  assert.equal(await rows(page).locator(".m-service").innerText(), "test");
  await page.goto("/issues?q=service:nothing");
  await page.getByRole("heading", { name: "No issue matches" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Send a test error" }).count(), 0);
});
