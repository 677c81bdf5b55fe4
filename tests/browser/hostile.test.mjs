// Hostile text: whatever strangers write into errors, comments, forms and addresses is shown as text and never runs.
// The watch of every scenario fails on dialogs, errors and violations of the content policy.

import assert from "node:assert/strict";

import { leadingAway, rows } from "./support/pages.mjs";
import { prepare } from "./support/scenario.mjs";

const IMAGE = `<img src=x onerror="alert('image')">`;
const SCRIPT = "<script>alert('script')</script>";
const BREAKOUT = `"'></textarea></title></pre></script>${SCRIPT}${IMAGE}`;

/** An error that is hostile wherever an event takes text. */
const EVENT = {
  title: `hostile ${BREAKOUT}`,
  description: `${BREAKOUT}\n\n[click](javascript:alert('link'))\n\n![x](https://elsewhere.invalid/pixel.png)`,
  service: `service ${BREAKOUT}`,
  environment: `environment ${IMAGE}`,
  release: `release ${IMAGE}`,
  host: `host ${IMAGE}`,
  thread: `thread ${IMAGE}`,
  component: `component ${IMAGE}`,
  project: `project ${IMAGE}`,
  reporter_id: `reporter ${IMAGE}`,
  assignee_id: `assignee ${IMAGE}`,
  tags: [`tag:${BREAKOUT}`],
  error: [{ kind: `kind ${IMAGE}`, message: `outer ${BREAKOUT}` }, { kind: `Root${SCRIPT}`, message: `inner ${BREAKOUT.repeat(9)}` }],
  spans: [{ name: `span ${IMAGE}`, target: `target ${IMAGE}`, fields: { [`key ${IMAGE}`]: `value ${BREAKOUT}` } }],
  context: { [`field ${IMAGE}`]: BREAKOUT, component: `linked ${BREAKOUT}` },
  breadcrumbs: [{ at: "2026-01-02T03:04:05Z", level: `"><b ${IMAGE}`, message: `crumb ${BREAKOUT}` }],
  location: { module: `module ${IMAGE}`, file: `file ${IMAGE}`, line: 1 },
  backtrace: `frame ${BREAKOUT}`,
  dropped_before: { [`reason ${IMAGE}`]: 3 },
  trace_id: IMAGE,
  span_id: IMAGE,
};

let id;
const scenario = prepare(async (server) => { [id] = await server.accept(EVENT); });

/** Fails if the page holds anything that text has become. */
async function checkInert(page) {
  const found = await page.evaluate(() => {
    const isOurs = (script) => new URL(script.src, location.href).pathname.startsWith("/assets/") && !script.textContent;
    const all = [...document.querySelectorAll("*")];
    return {
      scripts: [...document.scripts].filter((script) => !isOurs(script)).map((script) => script.outerHTML),
      images: document.images.length,
      handlers: all.flatMap((element) => element.getAttributeNames().filter((name) => /^on/i.test(name))),
      styles: all.filter((element) => element.tagName === "STYLE" || element.hasAttribute("style")).length,
      links: [...document.links].map((link) => link.protocol).filter((protocol) => !/^(https?|mailto):$/.test(protocol)),
      frames: document.querySelectorAll("iframe, object, embed, base, form[action^='//']").length,
    };
  });
  assert.deepEqual(found, { scripts: [], images: 0, handlers: [], styles: 0, links: [], frames: 0 });
}

scenario("on the list", async ({ page }) => {
  for (const path of ["/issues", "/issues?sort=occurrences", `/issues?service=${encodeURIComponent(EVENT.service)}`]) {
    await page.goto(path);
    assert.equal(await rows(page).count(), 1, path);
    const text = await rows(page).innerText();
    for (const part of [EVENT.title, EVENT.component, EVENT.environment, EVENT.tags[0]]) assert.ok(text.includes(part), part);
    const services = await page.locator("select[name=service] option").allTextContents();
    assert.ok(services.includes(EVENT.service), `${services}`);
    await checkInert(page);
  }
});

scenario("on the issue's page", async ({ page }) => {
  await page.goto(`/issues/${id}`);
  await checkInert(page);
  for (const details of await page.locator("details").all()) await details.locator("summary").click();
  const text = await page.locator("main").innerText();
  const parts = [
    EVENT.title, EVENT.host, EVENT.thread, EVENT.backtrace, EVENT.location.file, EVENT.location.module, EVENT.reporter_id,
    EVENT.error[0].kind, EVENT.error[0].message, EVENT.error[1].message, EVENT.spans[0].name, EVENT.spans[0].target,
    EVENT.breadcrumbs[0].message, ...Object.keys(EVENT.context), EVENT.context.component, ...Object.keys(EVENT.spans[0].fields),
    ...Object.values(EVENT.spans[0].fields), EVENT.release, EVENT.project,
  ];
  for (const part of parts) assert.ok(text.includes(part), `${part} is not shown as it is`);
  assert.equal(await page.title(), `${EVENT.title} · issuetracker`);
  assert.equal(await page.getByLabel("Assignee").inputValue(), EVENT.assignee_id);
  await checkInert(page);
});

scenario("in comments", async ({ server, page }) => {
  const contents = [IMAGE, SCRIPT, BREAKOUT, "[x](javascript:alert(1))", "<a href='jav&#x09;ascript:alert(1)'>y</a>",
    "<svg onload=alert(1)><iframe src=//elsewhere.invalid></iframe>", "<style>*{display:none}</style>",
    "<form action=//elsewhere.invalid><button>z</button></form>", "![x](https://elsewhere.invalid/pixel.png)"];
  const [commented] = await server.accept({ title: "commented", service: "hostile" });
  for (const content of contents) await server.comment(commented, `before ${content} after`);
  await page.goto(`/issues/${commented}`);
  const shown = page.locator(".t-comment .prose");
  assert.equal(await shown.count(), contents.length);
  for (const text of await shown.allInnerTexts()) assert.match(text, /before[^]*after/);
  assert.equal(await shown.locator("script, img, iframe, style, form, button, svg").count(), 0);
  await checkInert(page);
});

scenario("in the form for a new issue, also when it comes back", async ({ page, watch }) => {
  await page.goto("/issues/new");
  await page.getByLabel("Title").fill("   ");
  for (const label of ["Description", "Service", "Component", "Tags", "Assignee"]) await page.getByLabel(label).fill(BREAKOUT);
  await leadingAway(page, () => page.getByRole("button", { name: "Create issue" }).click());
  watch.expect(/status of 400/);
  for (const label of ["Description", "Service", "Component", "Tags", "Assignee"]) {
    assert.equal(await page.getByLabel(label).inputValue(), BREAKOUT, label);
  }
  await checkInert(page);
  await page.getByLabel("Title").fill(BREAKOUT);
  await leadingAway(page, () => page.getByRole("button", { name: "Create issue" }).click());
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), BREAKOUT);
  await checkInert(page);
});

scenario("in addresses", async ({ page, watch }) => {
  const text = encodeURIComponent(`nowhere ${BREAKOUT}`);
  for (const path of [`/issues?q=${text}`, `/issues?service=${text}&tag=${text}&component=${text}`]) {
    await page.goto(path);
    await page.getByRole("heading", { name: "No issue matches" }).waitFor();
    await checkInert(page);
  }
  assert.match(await page.locator(".chips").innerText(), /alert/);
  for (const path of [`/issues/${text}`, `/${text}`, `/issues?severity=${text}`, `/issues?cursor=${text}`]) {
    const response = await page.goto(path);
    assert.ok([400, 404].includes(response.status()), `${path}: ${response.status()}`);
    watch.expect(/status of 40[04]/);
    await checkInert(page);
  }
});
