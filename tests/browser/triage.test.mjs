// Triage: what people do with an issue on its page, each by its own form, and how the timeline tells it.

import assert from "node:assert/strict";

import { leadingAway, panel, path, pressTwice, rows, status, timeline } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const scenario = prepare();

/** A new error of a service of its own, and its page open. */
async function openIssue(server, page, title) {
  const [id] = await server.accept({ title, service: "triage", severity: "error" });
  await page.goto(`/issues/${id}`);
  return id;
}

/** The entries of the timeline: text and who, without the time. */
const told = async (page) => (await page.locator(".timeline > li > p").allInnerTexts())
  .map((text) => text.replace(/\s+/g, " ").replace(/, just now$/, ""));

scenario("the buttons lead an issue from open to closed, and the timeline tells each step", async ({ server, page }) => {
  await openIssue(server, page, "stepwise");
  const press = (name) => leadingAway(page, () => page.getByRole("button", { name, exact: true }).click());
  const buttons = () => page.locator(".acts button").allInnerTexts();

  assert.equal(await status(page), "Open");
  assert.deepEqual(await buttons(), ["Resolve", "Start work", "Close"]);
  await press("Start work");
  assert.equal(await status(page), "In progress");
  assert.deepEqual(await buttons(), ["Resolve", "Stop work", "Close"]);
  await press("Resolve");
  assert.equal(await status(page), "Resolved");
  assert.deepEqual(await buttons(), ["Reopen", "Close"]);
  await press("Close");
  assert.equal(await status(page), "Closed");
  assert.deepEqual(await buttons(), ["Reopen"]);
  await press("Reopen");
  assert.equal(await status(page), "Open");

  assert.deepEqual(await told(page), [
    "reported this system",
    "changed the status from Open to In progress local-admin",
    "changed the status from In progress to Resolved local-admin",
    "changed the status from Resolved to Closed local-admin",
    "changed the status from Closed to Open local-admin",
  ]);
});

scenario("a resolved issue leaves the list of what is to do", async ({ server, page }) => {
  await openIssue(server, page, "out of sight");
  await leadingAway(page, () => page.getByRole("button", { name: "Resolve" }).click());
  await page.goto("/issues");
  assert.equal(await rows(page, "out of sight").count(), 0);
  await leadingAway(page, () => page.getByRole("link", { name: /^Resolved/ }).click());
  assert.match(await rows(page, "out of sight").locator(".meta .status").innerText(), /^Resolved$/);
});

scenario("the same error after a resolution reopens the issue as regressed; a late one from before does not", async ({ server, page }) => {
  const event = { title: "came back", service: "triage" };
  const yesterday = new Date(Date.now() - 86_400_000).toISOString();
  await openIssue(server, page, event.title);
  await leadingAway(page, () => page.getByRole("button", { name: "Resolve" }).click());

  await server.accept({ ...event, created_at: yesterday });
  await page.reload();
  assert.equal(await status(page), "Resolved");
  assert.equal(await page.locator(".is-regressed").count(), 0);

  await server.accept({ ...event, release: "7.1" });
  await page.reload();
  assert.equal(await status(page), "Open");
  assert.match(await page.locator(".timeline > .is-regressed").innerText(), /saw it again after it was resolved, in release 7\.1: reopened/);
  assert.equal(await page.locator(".stats dd").first().innerText(), "3");
});

scenario("one form sets assignee, priority and status", async ({ server, page }) => {
  await openIssue(server, page, "for somebody");
  await page.getByLabel("Assignee").fill("ada@example.com");
  await page.getByLabel("Priority").selectOption({ label: "Critical" });
  await page.locator("#t-status").selectOption("in-progress");
  await leadingAway(page, () => page.getByRole("button", { name: "Save" }).click());
  assert.equal(await status(page), "In progress");
  assert.match(await page.locator(".badges").innerText(), /Critical priority\s+ada@example\.com/);
  assert.equal(await page.getByLabel("Assignee").inputValue(), "ada@example.com");
  assert.equal(await page.getByLabel("Priority").inputValue(), "critical");
  assert.deepEqual((await told(page)).slice(1).sort(), [
    "assigned this to ada@example.com local-admin",
    "changed the priority from medium to critical local-admin",
    "changed the status from Open to In progress local-admin",
  ]);

  await page.goto("/issues?status=in-progress&assignee=ada%40example.com");
  const row = rows(page, "for somebody");
  assert.equal(await row.locator(".avatar").getAttribute("title"), "Assigned to ada@example.com");
  assert.equal(await row.locator(".priority").getAttribute("title"), "Priority: critical");

  await leadingAway(page, () => row.locator(".title").click());
  await page.getByLabel("Assignee").fill("");
  await leadingAway(page, () => page.getByRole("button", { name: "Save" }).click());
  assert.doesNotMatch(await page.locator(".badges").innerText(), /ada/);
  assert.ok((await told(page)).includes("took this from ada@example.com local-admin"));
});

scenario("saving without a change tells nothing", async ({ server, page }) => {
  await openIssue(server, page, "as it was");
  await leadingAway(page, () => page.getByRole("button", { name: "Save" }).click());
  assert.deepEqual(await told(page), ["reported this system"]);
});

scenario("a person's priority outlives the next occurrence", async ({ server, page }) => {
  await openIssue(server, page, "decided");
  await page.getByLabel("Priority").selectOption("low");
  await leadingAway(page, () => page.getByRole("button", { name: "Save" }).click());
  await server.accept({ title: "decided", service: "triage", severity: "critical", priority: "critical" });
  await page.reload();
  assert.equal(await page.getByLabel("Priority").inputValue(), "low");
});

scenario("a form that stood open saves after the error came back, and tells when somebody else has decided", async ({ server, page, context, watch }) => {
  const id = await openIssue(server, page, "contended");
  await server.accept({ title: "contended", service: "triage" });
  await page.getByLabel("Assignee").fill("ada");
  await leadingAway(page, () => page.getByRole("button", { name: "Save" }).click());
  assert.match(await page.locator(".badges").innerText(), /ada/);

  const other = await context.newPage();
  await other.goto(`/issues/${id}`);
  await leadingAway(other, () => other.getByRole("button", { name: "Close" }).click());
  await page.getByLabel("Assignee").fill("grace");
  const response = await leadingAway(page, () => page.getByRole("button", { name: "Save" }).click());
  assert.equal(response.status(), 412);
  watch.expect(/status of 412/);
  assert.match(await page.locator("main").innerText(), /Somebody else changed this issue/);
  await other.reload();
  assert.equal(await status(other), "Closed");
  assert.match(await other.locator(".badges").innerText(), /ada/);
});

scenario("a comment is shown as the markdown that it is, and sent once", async ({ server, page }) => {
  await openIssue(server, page, "talked about");
  const text = "Seen on **two** hosts:\n\n- `a`\n- `b`\n\n[why](https://example.com/why)\n\n```\nlet x = 1 < 2;\n```";
  await page.getByLabel("Comment").fill(text);
  await leadingAway(page, () => page.getByRole("button", { name: "Comment" }).click());
  assert.match(path(page), /#comments$/);
  const comment = page.locator(".t-comment .prose");
  assert.equal(await comment.count(), 1);
  assert.equal(await comment.locator("strong").innerText(), "two");
  assert.deepEqual(await comment.locator("li code").allInnerTexts(), ["a", "b"]);
  assert.equal(await comment.locator("pre").innerText(), "let x = 1 < 2;\n");
  const link = comment.getByRole("link", { name: "why" });
  assert.equal(await link.getAttribute("href"), "https://example.com/why");
  assert.match(await link.getAttribute("rel"), /noopener/);
  assert.match(await page.locator(".t-comment .comment-head").innerText(), /^local-admin · just now$/);
  assert.equal(await timeline(page).last().locator(".prose").count(), 1);

  await page.getByLabel("Comment").fill("twice?");
  assert.equal(await pressTwice(page, page.getByRole("button", { name: "Comment" })), 1);
  assert.equal(await timeline(page, "twice?").count(), 1);
  // The list counts what the page shows.
  const shown = await page.locator(".t-comment").count();
  await page.goto("/issues");
  assert.equal(await rows(page, "talked about").locator(".m-comments").getAttribute("title"), `${shown} comments`);
});

scenario("an empty comment is refused and nothing is lost", async ({ server, page, watch }) => {
  const id = await openIssue(server, page, "silent");
  await page.getByRole("button", { name: "Comment" }).click();
  assert.equal(await page.locator("#content:invalid").count(), 1);
  assert.equal(path(page), `/issues/${id}`);
  await page.getByLabel("Comment").fill("   ");
  const response = await leadingAway(page, () => page.getByRole("button", { name: "Comment" }).click());
  assert.equal(response.status(), 400);
  watch.expect(/status of 400/);
  await page.goto(`/issues/${id}`);
  assert.equal(await page.locator(".t-comment").count(), 0);
});

scenario("what an issue says leads to others like it", async ({ server, page }) => {
  const alike = { service: "triage", component: "parser", tags: ["region:eu"], context: { component: "parser" } };
  const [id] = await server.accept({ title: "first of a kind", ...alike }, { title: "second of a kind", ...alike });
  await page.goto(`/issues/${id}`);
  await leadingAway(page, () => panel(page, "Tags").getByRole("link", { name: "region:eu" }).click());
  assert.equal(path(page), "/issues?q=is:open+tag:region:eu");
  assert.equal(await rows(page).count(), 2);
});
