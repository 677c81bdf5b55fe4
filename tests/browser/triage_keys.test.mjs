// Triage without a mouse: select, change, undo, the palette, completion; and none of it while somebody writes.

import assert from "node:assert/strict";

import { leadingAway, path, rows, titles } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const scenario = prepare(async (server) => {
  for (const title of ["echo", "delta", "charlie", "bravo", "alpha"]) {
    await server.accept({ title, service: "key board", severity: title === "echo" ? "warning" : "error", tags: ["region:eu"], error: [{ kind: "io::Error", message: title }] });
  }
});

const LIST = "/issues?q=service:%22key+board%22+is:open";
const press = async (page, ...keys) => { for (const key of keys) await page.keyboard.press(key); };
const focused = (page) => page.evaluate(() => document.activeElement?.closest?.("tr")?.querySelector(".title")?.textContent.trim().split(" ").at(-1) ?? null);
const names = async (page) => (await titles(page)).map((title) => title.split(" ").at(-1));
const field = async (server, title, name) => {
  const { issues } = await (await fetch(`${server.url}/api/v1/issues?q=${title}`)).json();
  return issues[0][name];
};

/** The list, as if nothing was looked at before: else j goes on from there. */
const fresh = async (page) => {
  await page.goto(LIST);
  await page.evaluate(() => sessionStorage.clear());
};

scenario("a morning's triage by keyboard alone", async ({ page, server }) => {
  await fresh(page);
  await press(page, "j", "j");
  assert.equal(await focused(page), "bravo");
  await leadingAway(page, () => press(page, "r"));
  assert.deepEqual(await names(page), ["alpha", "charlie", "delta", "echo"]);
  assert.equal(await focused(page), "charlie", "it goes on from there");
  await leadingAway(page, () => press(page, "z"));
  assert.deepEqual(await names(page), ["alpha", "bravo", "charlie", "delta", "echo"]);

  await fresh(page);
  await press(page, "j", "x", "j", "x");
  assert.equal(await page.locator(".bulk-count").innerText(), "2 selected");
  await leadingAway(page, () => press(page, "1"));
  assert.deepEqual([await field(server, "alpha", "priority"), await field(server, "bravo", "priority")], ["critical", "critical"]);
  await fresh(page);
  await press(page, "j");
  await leadingAway(page, () => press(page, "i"));
  assert.equal(await field(server, "alpha", "assignee_id"), "local-admin");
  await fresh(page);
  await press(page, "j", "j", "a");
  await page.keyboard.type("ada");
  await leadingAway(page, () => press(page, "Tab", "Enter"));
  assert.equal(await field(server, "bravo", "assignee_id"), "ada");
  await fresh(page);
  await press(page, "k", "k");
  await leadingAway(page, () => press(page, "m"));
  await fresh(page);
  await press(page, "k");
  await leadingAway(page, () => press(page, "e"));
  assert.equal(await field(server, "echo", "status"), "closed");
  await page.goto(`${LIST}+is:muted`);
  assert.deepEqual(await names(page), ["delta"]);
});

scenario("the same keys work on an issue", async ({ page, server }) => {
  await page.goto("/issues?q=charlie");
  await press(page, "j");
  await leadingAway(page, () => press(page, "o"));
  await leadingAway(page, () => press(page, "2"));
  assert.equal(await field(server, "charlie", "priority"), "high");
  await leadingAway(page, () => press(page, "i"));
  assert.equal(await field(server, "charlie", "assignee_id"), "local-admin");
  await leadingAway(page, () => press(page, "r"));
  assert.equal(await field(server, "charlie", "status"), "resolved");
  await press(page, "m");
  assert.equal(await page.evaluate(() => Boolean(document.activeElement.closest("#mute"))), true);
});

scenario("the palette finds what can be done", async ({ page }) => {
  await page.goto(LIST);
  await press(page, "Control+k");
  const palette = page.getByRole("dialog", { name: "Commands" });
  await palette.waitFor();
  await page.keyboard.type("show resolved");
  assert.match(await palette.locator("[aria-selected=true]").innerText(), /^Show: Resolved/);
  await leadingAway(page, () => press(page, "Enter"));
  assert.match(path(page), /is:resolved/);
  await press(page, "Control+k");
  await page.keyboard.type("alpha");
  await leadingAway(page, () => press(page, "Enter"));
  assert.equal(path(page), "/issues?q=alpha");
  await press(page, "Control+k", "Escape");
  assert.equal(await palette.isVisible(), false);
});

scenario("the search box offers keys and values", async ({ page }) => {
  await page.goto("/issues");
  const box = page.locator("#q");
  await box.fill("");
  await page.keyboard.type("ser");
  const offers = page.getByRole("listbox", { name: "Completions" }).getByRole("option");
  await offers.first().waitFor();
  assert.deepEqual(await offers.allInnerTexts(), ["service:"]);
  await press(page, "Tab");
  await page.getByRole("option", { name: 'service:"key board"' }).waitFor();
  await press(page, "ArrowDown", "Enter");
  assert.equal(await box.inputValue(), 'service:"key board" ');
  await page.keyboard.type("-severity:w");
  await page.getByRole("option", { name: "-severity:warning" }).waitFor();
  await press(page, "Tab");
  await leadingAway(page, () => press(page, "Enter"));
  assert.equal(path(page), "/issues?q=service:%22key+board%22+-severity:warning");
  await box.fill("kind:");
  await page.getByRole("option", { name: "kind:io::Error" }).waitFor();
  await press(page, "Escape");
  assert.equal(await page.locator("#q-list").isVisible(), false);
});

scenario("keys do nothing while somebody writes", async ({ page, server }) => {
  await page.goto(LIST);
  await page.locator("#q").fill("");
  await page.keyboard.type("xremai1234z");
  assert.equal(await page.locator("#q").inputValue(), "xremai1234z");
  assert.equal(await rows(page).getByRole("checkbox", { checked: true }).count(), 0);
  assert.equal(await field(server, "alpha", "status"), "open");
});
