// Dead letters: are they found, understood and replayed, also without a mouse and without JavaScript, and does what
// strangers wrote stay text? The server reads a topic of its own on the real Kafka of the tests.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { TWO_LOOKS, checkLooks } from "./support/accessibility.mjs";
import { leadingAway, panel, path, rows } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const ISSUE = randomUUID();
const HOSTILE = `</pre></code><script>alert(1)</script><img src=//elsewhere.invalid/x onerror=alert(1)>"' {{ 7 * 7 }}`;
const SECRET = "hunter2-and-more";
const LONG = "averylongwordwithoutanyplacetobreakit".repeat(8);

/** Events that the consumer can do nothing with as long as their issue is not there. */
const comment = (title) => ({ op: "comment", title, issue_id: ISSUE, reporter_id: "ada", service: "market-data" });

const scenario = prepare(undefined, () => {
  const brokers = process.env.TEST_KAFKA_BROKERS;
  assert.ok(brokers, "TEST_KAFKA_BROKERS names no broker: run scripts/services up and eval \"$(scripts/services env)\"");
  const topic = `test-browser-${randomUUID()}`;
  return {
    ISSUETRACKER_KAFKA_BROKERS: brokers,
    ISSUETRACKER_KAFKA_TOPIC: topic,
    ISSUETRACKER_KAFKA_GROUP: topic,
    ISSUETRACKER_KAFKA_PARTITIONS: "1",
  };
});

const link = (page) => page.getByRole("link", { name: /^Dead letters/ });

/** Reloads until the page shows it. */
async function untilShown(page, locator) {
  for (const deadline = Date.now() + 30_000; !await locator.isVisible(); await page.reload()) {
    assert.ok(Date.now() < deadline, `${locator} is not on ${page.url()}`);
    await sleep(200);
  }
}

scenario("nothing yet is good news", async ({ page }) => {
  await page.goto("/issues");
  await leadingAway(page, () => link(page).click());
  await page.getByRole("heading", { name: "Everything could be read" }).waitFor();
  assert.equal(await page.getByRole("button", { name: /Replay/ }).count(), 0);
  assert.equal(await page.locator(".badge-count").count(), 0);
  await checkLooks(page, TWO_LOOKS);
});

scenario("what could not be read is listed, counted, and opened by keys", async ({ server, page }) => {
  await server.accept(comment("the first"), comment(`${HOSTILE} ${LONG} password=${SECRET}`), comment("the third"));
  await page.goto("/dead-letters");
  await untilShown(page, rows(page).nth(2));
  const first = rows(page, "the first");
  for (const text of ["no_issue", "market-data", "just now"]) assert.ok((await first.innerText()).includes(text), text);
  await untilShown(page, page.locator(".badge-count", { hasText: "3" }));
  await checkLooks(page);

  await page.keyboard.press("j");
  await page.keyboard.press("j");
  const id = await page.evaluate(() => document.activeElement.closest("tr").dataset.id);
  await leadingAway(page, () => page.keyboard.press("Enter"));
  assert.equal(path(page), `/dead-letters/${id}`);
  await leadingAway(page, () => page.keyboard.press("u"));
  assert.equal(path(page), "/dead-letters");
  await page.goto("/issues");
  await page.keyboard.press("g");
  await leadingAway(page, () => page.keyboard.press("d"));
  assert.equal(path(page), "/dead-letters");
});

scenario("what strangers wrote is text, and without secrets", async ({ page }) => {
  await page.goto("/dead-letters");
  for (const open of [async () => {}, () => leadingAway(page, () => rows(page, "elsewhere").getByRole("link").first().click())]) {
    await open();
    const text = await page.locator("main").innerText();
    assert.ok(text.includes("</pre></code><script>alert(1)</script>"), text);
    assert.ok(!(await page.content()).includes(SECRET), "a secret is shown");
    assert.equal(await page.locator("main script, main img, main style").count(), 0);
  }
  assert.ok((await panel(page, /^What was written/).innerText()).includes("password=[redacted]"));
  await checkLooks(page);
});

scenario("a letter says why it cannot be replayed, then is, and counts once", async ({ server, page }) => {
  await page.goto("/dead-letters");
  await leadingAway(page, () => rows(page, "the first").getByRole("link").first().click());
  await panel(page, "If it is read now").getByText("once its issue is there").waitFor();
  assert.equal(await page.getByRole("button", { name: "Replay" }).count(), 0);

  await server.accept({ op: "create", title: "Rotate the key", event_id: ISSUE });
  await untilShown(page, page.getByRole("button", { name: "Replay" }));
  await leadingAway(page, () => page.getByRole("button", { name: "Replay" }).click());
  await page.getByRole("status").getByText("It was published and is counted.").waitFor();
  await checkLooks(page);
  await leadingAway(page, () => page.getByRole("button", { name: "Replay again" }).click());
  await page.getByRole("status").getByText("published and is counted").waitFor();

  await leadingAway(page, () => page.getByRole("link", { name: "Open its issue" }).click());
  assert.equal(await page.locator(".t-comment", { hasText: "the first" }).count(), 1);
});

scenario("all others are replayed at once, without JavaScript", { javaScriptEnabled: false }, async ({ page }) => {
  await page.goto("/issues");
  await leadingAway(page, () => link(page).click());
  assert.match(await rows(page, "the first").innerText(), /replayed/);
  assert.match(await rows(page, "the third").innerText(), /can be read now/);
  await leadingAway(page, () => rows(page, "the third").getByRole("link", { name: "no_issue" }).click());
  assert.equal(path(page), "/dead-letters?reason=no_issue");
  await leadingAway(page, () => page.getByRole("button", { name: "Replay all no_issue" }).click());
  await page.getByRole("status").getByText("2 replayed, 1 had been counted before.").waitFor();
  assert.equal(await rows(page, "replayed").count(), 3);
  await page.goto(`/issues/${ISSUE}`);
  await untilShown(page, page.locator(".t-comment", { hasText: "the third" }));
  await untilShown(page, page.locator(".t-comment", { hasText: "elsewhere" }));
  assert.equal(await page.locator(".t-comment").count(), 3);

  await page.goto("/dead-letters");
  await untilShown(page, page.locator("nav:not(:has(.badge-count))"));
  await leadingAway(page, () => rows(page, "the third").getByRole("link", { name: "no_issue" }).click());
  await leadingAway(page, () => page.getByRole("link", { name: /Remove filter/ }).click());
  assert.equal(path(page), "/dead-letters");
});

scenario("what is not there is said", async ({ page, watch }) => {
  for (const address of ["/dead-letters/0-4711", "/dead-letters/nothing"]) {
    const response = await page.goto(address);
    assert.equal(response.status(), 404);
    watch.expect(/status of 404/);
  }
  await page.goto("/dead-letters?reason=not_json");
  await page.getByRole("heading", { name: "No such dead letter" }).waitFor();
  await checkLooks(page, TWO_LOOKS);
});
