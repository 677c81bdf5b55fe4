// New issues by people: the form leads to the page, and a complaint costs nobody what they wrote.

import assert from "node:assert/strict";

import { leadingAway, panel, path, pressTwice, rows, status } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const scenario = prepare();

scenario("a task is created with all that was filled in", async ({ page }) => {
  await page.goto("/issues");
  await leadingAway(page, () => page.getByRole("link", { name: "New issue" }).click());
  assert.equal(path(page), "/issues/new");
  assert.equal(await page.evaluate(() => document.activeElement.id), "title");
  assert.equal(await page.locator("#type").inputValue(), "task");
  await page.getByLabel("Title").fill("Rotate the venue keys");
  await page.getByLabel("Description").fill("Before **Friday**:\n\n1. harbor\n2. brook");
  await page.getByLabel("Priority").selectOption("high");
  await page.getByLabel("Service").fill("market-data");
  await page.getByLabel("Component").fill("venues");
  await page.getByLabel("Tags").fill("team:core, keys ,, ");
  await page.getByLabel("Assignee").fill("grace");
  await leadingAway(page, () => page.getByRole("button", { name: "Create issue" }).click());

  assert.match(path(page), /^\/issues\/[0-9a-f-]{36}$/);
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "Rotate the venue keys");
  assert.equal(await status(page), "Open");
  assert.match(await page.locator(".badges").innerText(), /^Task\s+Open\s+(Priority: high\s+)?High priority\s+grace$/);
  assert.equal(await page.locator(".where").innerText(), "market-data\nvenues");
  const description = panel(page, "Description");
  assert.equal(await description.locator("strong").innerText(), "Friday");
  assert.deepEqual(await description.locator("ol > li").allInnerTexts(), ["harbor", "brook"]);
  assert.deepEqual(await panel(page, "Tags").locator(".tag").allInnerTexts(), ["keys", "team:core"]);
  assert.match(await panel(page, "Record").innerText(), /Reporter\s+local-admin\s+Source\s+web/);
  // Nothing of an error's page on a task's.
  assert.equal(await panel(page, /^(Error|Occurrences)/).count(), 0);

  await page.goto("/issues?type=task");
  const row = rows(page);
  assert.equal(await row.count(), 1);
  assert.equal(await row.locator(".c-kind").innerText(), "Task");
  assert.equal(await row.locator(".c-who .avatar").getAttribute("title"), "Assigned to grace");
});

scenario("the browser asks for a title before anything is sent", async ({ page }) => {
  await page.goto("/issues/new");
  let isSent = false;
  page.on("request", (request) => { isSent ||= request.method() === "POST"; });
  await page.getByRole("button", { name: "Create issue" }).click();
  assert.equal(await page.locator("#title:invalid:focus").count(), 1);
  assert.equal(isSent, false);
});

scenario("a blank title comes back with a complaint at the field and everything else kept", async ({ page, watch }) => {
  await page.goto("/issues/new");
  const texts = {
    Title: "   ", Description: "\n  indented first line\nand more", Service: "gateway", Component: "router", Tags: "a:b, c", Assignee: "ada",
  };
  for (const [label, text] of Object.entries(texts)) await page.getByLabel(label).fill(text);
  await page.getByLabel("Type").selectOption("feature");
  await page.getByLabel("Priority").selectOption("critical");
  const response = await leadingAway(page, () => page.getByRole("button", { name: "Create issue" }).click());
  assert.equal(response.status(), 400);
  watch.expect(/status of 400/);

  assert.match(await page.getByRole("alert").innerText(), /Not created yet: 1 field needs another look/);
  const title = page.getByLabel("Title");
  assert.equal(await title.getAttribute("aria-invalid"), "true");
  assert.equal(await title.getAttribute("aria-describedby"), "title-error");
  assert.equal(await page.locator("#title-error").innerText(), "say in one line what this is about");
  for (const [label, text] of Object.entries(texts)) assert.equal(await page.getByLabel(label).inputValue(), text, label);
  assert.equal(await page.getByLabel("Type").inputValue(), "feature");
  assert.equal(await page.getByLabel("Priority").inputValue(), "critical");

  await title.fill("Now with a title");
  await leadingAway(page, () => page.getByRole("button", { name: "Create issue" }).click());
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "Now with a title");
  await page.goto("/issues?status=all&q=title");
  assert.equal(await rows(page).count(), 1);
});

scenario("pressing twice creates one", async ({ page }) => {
  await page.goto("/issues/new");
  await page.getByLabel("Title").fill("only one of me");
  assert.equal(await pressTwice(page, page.getByRole("button", { name: "Create issue" })), 1);
  await page.goto("/issues?q=only");
  assert.equal(await rows(page).count(), 1);
});

scenario("two issues with the same title are two issues", async ({ page }) => {
  for (const _ of [1, 2]) {
    await page.goto("/issues/new");
    await page.getByLabel("Title").fill("asked for again");
    await leadingAway(page, () => page.getByRole("button", { name: "Create issue" }).click());
  }
  await page.goto("/issues?q=again");
  assert.equal(await rows(page).count(), 2);
});

scenario("an open list hears of it", async ({ context, page }) => {
  await page.goto("/issues/new");
  const list = await context.newPage();
  const listening = list.waitForResponse((response) => response.url().endsWith("/api/v1/stream"));
  await list.goto("/issues?status=all");
  await listening;
  await page.getByLabel("Title").fill("announced");
  await leadingAway(page, () => page.getByRole("button", { name: "Create issue" }).click());
  await list.locator("#live").getByText("1 new issue — show").waitFor();
});
