// Many issues at once: select, change, see what became of each, undo; with JavaScript and without.

import assert from "node:assert/strict";

import { leadingAway, path, rows, titles } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const scenario = prepare(async (server) => {
  for (const title of ["delta", "charlie", "bravo", "alpha"]) await server.accept({ title, service: "many" });
});

const select = (page, title) => page.locator("tr[data-id]", { hasText: title }).getByRole("checkbox").check();
const status = async (page, title) => {
  await page.goto(`/issues?q=service:many+${title}`);
  return (await rows(page).locator(".status").allInnerTexts()).join() || "Open";
};

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "" : " without JavaScript";
  scenario(`what is selected is resolved, and that is undone${how}`, { javaScriptEnabled }, async ({ page }) => {
    await page.goto("/issues?service=many");
    const bar = page.getByRole("group", { name: "Change the selected issues" });
    assert.equal(await bar.isVisible(), false, "nothing is selected");
    await select(page, "alpha");
    await select(page, "charlie");
    await leadingAway(page, () => bar.getByRole("button", { name: "Resolve" }).click());
    assert.deepEqual(await titles(page), ["bravo", "delta"]);
    const done = page.locator(".done");
    assert.match(await done.innerText(), /2 issues resolved/);
    await leadingAway(page, () => done.getByRole("button", { name: "Undo" }).click());
    assert.deepEqual(await titles(page), ["alpha", "bravo", "charlie", "delta"]);
    assert.match(await page.locator(".done").innerText(), /2 issues as before/);
    assert.equal(await page.getByRole("button", { name: "Undo" }).count(), 0);
  });
}

scenario("people, priorities and mutes are set for all that is selected", async ({ page }) => {
  await page.goto("/issues?service=many");
  await select(page, "alpha");
  await select(page, "bravo");
  await page.getByLabel("Person").fill("ada");
  await leadingAway(page, () => page.getByRole("button", { name: "Assign", exact: true }).click());
  assert.match(await page.locator(".done").innerText(), /2 issues assigned to ada/);
  await select(page, "alpha");
  await page.locator("select[name=priority]").selectOption("critical");
  await leadingAway(page, () => page.getByRole("button", { name: "Set priority" }).click());
  assert.match(await page.locator(".done").innerText(), /1 issue with priority critical/);
  await select(page, "bravo");
  await leadingAway(page, () => page.getByRole("button", { name: "Mute", exact: true }).click());
  await page.goto("/issues?q=service:many+is:muted+assigned:ada");
  assert.deepEqual(await titles(page), ["bravo"]);
  await page.goto("/issues?q=service:many+priority:critical");
  assert.deepEqual(await titles(page), ["alpha"]);
});

scenario("an undo leaves alone what somebody else has decided since, and says so", async ({ page, server }) => {
  await page.goto("/issues?service=many");
  const id = await page.locator("tr[data-id]", { hasText: "charlie" }).getAttribute("data-id");
  await select(page, "charlie");
  await select(page, "delta");
  await leadingAway(page, () => page.getByRole("button", { name: "In progress" }).click());
  const answer = await fetch(`${server.url}/api/v1/issues/${id}`, { method: "PATCH", headers: { "content-type": "application/json" }, body: JSON.stringify({ status: "closed" }) });
  assert.equal(answer.status, 200);
  await leadingAway(page, () => page.getByRole("button", { name: "Undo" }).click());
  assert.match(await page.locator(".done").innerText(), /1 issue as before, 1 not changed[^]*Somebody else changed this issue/);
  assert.equal(await status(page, "charlie"), "Closed");
  assert.equal(await status(page, "delta"), "Open");
  assert.match(path(page), /delta/);
});
