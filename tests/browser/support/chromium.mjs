// The browser, and a watch over everything in it that must not happen: errors, violations of the content policy,
// dialogs, requests to other hosts.

import assert from "node:assert/strict";

import { chromium } from "playwright-core";

import { fromEnvironment, requireFile } from "./environment.mjs";

const ACTION_TIMEOUT_MS = 15_000;

export async function launchChromium() {
  const executablePath = fromEnvironment("TEST_CHROMIUM", "/usr/bin/chromium");
  requireFile(executablePath, "TEST_CHROMIUM", "install Chromium; these tests are nothing without a browser");
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A fresh profile whose pages are watched. `baseURL` is the only origin that they may ask. */
export async function openContext(browser, baseURL, options = {}) {
  const context = await browser.newContext({ baseURL, locale: "en-GB", timezoneId: "UTC", ...options });
  context.setDefaultTimeout(ACTION_TIMEOUT_MS);
  return { context, watch: new Watch(context, baseURL) };
}

/** Collects what went wrong in the pages of a context. */
export class Watch {
  #problems = [];

  constructor(context, origin) {
    const note = (text) => this.#problems.push(text);
    context.on("console", (message) => {
      const text = message.text();
      if (message.type() === "error" || message.type() === "warning" || text.startsWith(VIOLATION)) {
        note(`console ${message.type()}: ${text} (${message.location().url})`);
      }
    });
    context.on("weberror", (error) => note(`uncaught: ${error.error().stack ?? error.error()}`));
    context.on("dialog", (dialog) => {
      note(`dialog: ${dialog.message()}`);
      return dialog.dismiss().catch(() => {});
    });
    context.on("request", (request) => {
      const { protocol, origin: asked } = new URL(request.url());
      if (protocol !== "data:" && asked !== origin) note(`request to another host: ${request.url()}`);
    });
    context.on("response", (response) => {
      if (response.status() >= 500) note(`${response.status()} from ${response.url()}`);
    });
    // The console tells of violations too, but the event names the line.
    this.ready = context.addInitScript((violation) => {
      addEventListener("securitypolicyviolation", (event) => {
        console.log(`${violation} ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
      });
    }, VIOLATION);
  }

  /** Something that goes wrong on purpose: it must have been seen, and is forgotten. */
  expect(pattern) {
    const others = this.#problems.filter((problem) => !pattern.test(problem));
    assert.notEqual(others.length, this.#problems.length, `expected a problem like ${pattern}, saw: ${this.#problems}`);
    this.#problems = others;
  }

  /** Fails if anything went wrong. */
  check() {
    assert.deepEqual(this.#problems, [], "the browser saw problems");
  }
}

const VIOLATION = "content policy violated:";
