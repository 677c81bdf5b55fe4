// How every test file begins: one server and one browser for the file, a fresh profile for each scenario, and at its end
// a look at what the browser complained about. A failure brings the server's log along.

import { after, before, test } from "node:test";

import { launchChromium, openContext } from "./chromium.mjs";
import { startServer } from "./server.mjs";

const TIMEOUT_MS = 90_000;

/**
 * Prepares a file; returns its `scenario(name, [context options], body)`.
 *
 * `body` gets `{ server, browser, context, page, watch }`. `fill(server)` runs once before the first. `variables()` tells
 * how the server is configured beyond the defaults.
 */
export function prepare(fill = async () => {}, variables = () => ({})) {
  let server, browser;
  before(async () => {
    server = await startServer(variables());
    await withLog(server, () => fill(server));
    browser = await launchChromium();
  }, { timeout: TIMEOUT_MS });
  after(async () => {
    await browser?.close();
    await server?.stop();
  }, { timeout: TIMEOUT_MS });

  return function scenario(name, ...rest) {
    const body = rest.pop();
    const options = rest.pop();
    test(name, { timeout: TIMEOUT_MS }, () => withLog(server, async () => {
      const { context, watch } = await openContext(browser, server.url, options);
      try {
        await watch.ready;
        const page = await context.newPage();
        await body({ server, browser, context, page, watch });
        watch.check();
      } finally {
        await context.close();
      }
    }));
  };
}

async function withLog(server, work) {
  try {
    return await work();
  } catch (error) {
    error.message += `\n${server.log}`;
    // Node prints the stack, which has the message as it was.
    error.stack = `${error.message}\n${error.stack}`;
    throw error;
  }
}
