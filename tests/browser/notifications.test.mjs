// Notifications: a rule is made, tested, changed and deleted on its page, and what is told arrives in Slack's form and by
// a real SMTP server, as text and not as markup.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { SMTPServer } from "smtp-server";

import { TWO_LOOKS, checkLooks } from "./support/accessibility.mjs";
import { leadingAway, path } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";
import { freePort } from "./support/server.mjs";

const HOSTILE = "<!channel> *bold* <https://evil.invalid|click>\r\nBcc: eve@example.com <script>alert(1)</script>";

const mails = [];
const slack = [];
const smtpPort = await freePort();
const smtp = new SMTPServer({
  secure: false,
  hideSTARTTLS: true,
  onAuth: ({ username, password }, _session, done) => {
    if (username === "issues" && password === "hunter2") done(null, { user: username });
    else done(new Error("wrong password"));
  },
  allowInsecureAuth: true,
  onData(stream, { envelope }, done) {
    let text = "";
    stream.setEncoding("utf8").on("data", (part) => { text += part; });
    stream.on("end", () => { mails.push({ to: envelope.rcptTo.map(({ address }) => address), text }); done(); });
  },
});
const hooks = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8").on("data", (part) => { body += part; });
  request.on("end", () => { slack.push({ url: request.url, body: JSON.parse(body) }); response.end("ok"); });
});

before(async () => {
  await new Promise((done) => smtp.listen(smtpPort, "127.0.0.1", done));
  await new Promise((done) => hooks.listen(0, "127.0.0.1", done));
});
after(() => {
  smtp.close();
  hooks.close();
});

const scenario = prepare(undefined, () => ({
  ISSUETRACKER_NOTIFY_INTERNAL_HOSTS: "127.0.0.1",
  ISSUETRACKER_SMTP_URL: `smtp://127.0.0.1:${smtpPort}`,
  ISSUETRACKER_SMTP_FROM: "Issues <issues@example.com>",
  ISSUETRACKER_SMTP_USERNAME: "issues",
  ISSUETRACKER_SMTP_PASSWORD: "hunter2",
}));

async function until(what, found) {
  for (const deadline = Date.now() + 20_000; !found(); await sleep(100)) {
    assert.ok(Date.now() < deadline, `${what} did not come`);
  }
}

const hookUrl = () => `http://127.0.0.1:${hooks.address().port}/services/T0/s3cr3t`;
const create = (page) => page.getByRole("button", { name: "Create rule" });

scenario("a rule is made with what is missing said, and its test arrives in Slack", async ({ page, watch }) => {
  await page.goto("/issues");
  await leadingAway(page, () => page.getByRole("link", { name: "Notifications" }).click());
  assert.equal(path(page), "/notifications");
  await page.getByText("Nobody is notified yet.").waitFor();
  await checkLooks(page, TWO_LOOKS);
  await page.getByLabel("Name").fill("On call");
  await page.getByLabel("Where").fill("http://hooks.slack.com/services/x");
  await page.getByLabel("Only these issues").fill("colour:red");
  const refused = await leadingAway(page, () => create(page).click());
  assert.equal(refused.status(), 400);
  const wrong = await page.getByRole("alert").innerText();
  assert.match(wrong, /Only these issues: .*colour/);
  assert.equal(await page.getByLabel("Name").inputValue(), "On call", "what was typed is there");
  await page.getByLabel("Only these issues").fill("service:newsfeed");
  await leadingAway(page, () => create(page).click());
  assert.match(await page.getByRole("alert").innerText(), /Where: expected https/);
  watch.expect(/status of 400/);
  await page.getByLabel("Where").fill(hookUrl());
  await page.getByLabel("Pause").fill("0");
  await leadingAway(page, () => create(page).click());
  assert.equal(path(page), "/notifications");
  const row = page.getByRole("listitem").filter({ hasText: "On call" });
  assert.match(await row.innerText(), /slack.*new issues.*service:newsfeed.*nothing sent yet/s);
  assert.ok(!(await page.content()).includes("s3cr3t"), "the address is shown");
  await leadingAway(page, () => row.getByRole("button", { name: "Send a test" }).click());
  assert.match(await page.getByRole("status").first().innerText(), /A test was sent by On call/);
  assert.equal(slack[0].url, "/services/T0/s3cr3t");
  assert.match(slack[0].body.text, /^\[test\]/);
  await checkLooks(page, TWO_LOOKS);
});

scenario("what others wrote stays text in Slack and in mail", async ({ page, server }) => {
  await page.goto("/notifications");
  await page.getByLabel("Name").fill("By mail");
  await page.getByLabel("How").selectOption("mail");
  await page.getByLabel("Where").fill("ada@example.com, grace@example.com");
  await page.getByLabel("Pause").fill("0");
  await leadingAway(page, () => create(page).click());
  slack.length = 0;
  const [id] = await server.accept({ title: HOSTILE, service: "newsfeed", severity: "critical" });
  await until("the message", () => slack.length > 0);
  await until("the mail", () => mails.length > 0);
  const [{ body }] = slack;
  assert.ok(!/[<>]/.test(body.text), body.text);
  const parts = body.blocks[0].elements[0].elements;
  assert.deepEqual([...new Set(parts.map(({ type }) => type))].sort(), ["link", "text"]);
  assert.equal(parts.find(({ type }) => type === "link").url, `${server.url}/issues/${id}`);
  const [mail] = mails;
  assert.deepEqual(mail.to, ["ada@example.com", "grace@example.com"]);
  const [head] = mail.text.split("\r\n\r\n");
  assert.ok(!/^bcc:/im.test(head), head);
  assert.match(head, /^Content-Type: text\/plain/im);
  assert.match(head, /^Auto-Submitted: auto-generated/im);
  assert.ok(mail.text.includes(`/issues/${id}`.slice(0, 20)));
});

scenario("a rule is changed, paused and deleted, without JavaScript, too", { javaScriptEnabled: false }, async ({ page, server }) => {
  await page.goto("/notifications");
  const row = page.getByRole("listitem").filter({ hasText: "On call" });
  await row.getByRole("link", { name: "Change" }).click();
  assert.equal(await page.getByLabel("Where").inputValue(), "", "the address is shown");
  await page.getByLabel("Name").fill("On call, paused");
  await page.getByLabel("Follow this rule").uncheck();
  await page.getByRole("button", { name: "Save" }).click();
  assert.match(await page.getByRole("listitem").filter({ hasText: "On call, paused" }).innerText(), /paused.*last sent/s);
  slack.length = 0;
  mails.length = 0;
  await server.accept({ title: "quiet now", service: "newsfeed" });
  await until("the mail of the other rule", () => mails.length > 0);
  assert.equal(slack.length, 0);
  for (const name of ["On call, paused", "By mail"]) {
    const row = page.getByRole("listitem").filter({ hasText: name });
    await row.getByText("Delete…").click();
    await row.getByRole("button", { name: "Delete it" }).click();
  }
  await page.getByText("Nobody is notified yet.").waitFor();
});
