// The issue page beyond triage: what people do to comments, and to issues that are one or are not. Without JavaScript, as
// everything there has to work.

import assert from "node:assert/strict";

import { leadingAway, timeline } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const scenario = prepare();
const options = { javaScriptEnabled: false };

scenario("a comment is edited, then deleted", options, async ({ server, page }) => {
  const [id] = await server.accept({ title: "talked about", service: "talk" });
  await page.goto(`/issues/${id}`);
  await page.getByLabel("Comment").fill("frist");
  await leadingAway(page, () => page.getByRole("button", { name: "Comment" }).click());

  const comment = page.locator(".t-comment", { hasText: "local-admin" });
  await comment.locator("summary", { hasText: "Edit" }).click();
  assert.equal(await comment.getByLabel("New text").inputValue(), "frist");
  await comment.getByLabel("New text").fill("first, **now**");
  await leadingAway(page, () => comment.getByRole("button", { name: "Save" }).click());
  assert.equal(await comment.locator(".prose strong").innerText(), "now");
  assert.match(await comment.locator(".edited").innerText(), /^edited just now$/);

  await comment.locator("summary", { hasText: "Delete" }).click();
  await leadingAway(page, () => comment.getByRole("button", { name: "Delete for good" }).click());
  assert.equal(await comment.count(), 0);
  assert.equal(await timeline(page, "wrote a comment that local-admin deleted").count(), 1);
});
