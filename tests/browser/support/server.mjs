// One real server on a free port with an empty embedded store, and its log for when something fails.
// Not a stand-in: it is the binary that people run, configured by environment as they would.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { cleanEnvironment, fromEnvironment, requireFile } from "./environment.mjs";

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 15_000;

/** `variables` come on top of those that every server of the tests has. */
export async function startServer(variables = {}) {
  const binary = fromEnvironment("SERVER_BIN", "../../target/debug/issuetracker-server");
  requireFile(binary, "SERVER_BIN", "cargo build -p issuetracker-server");
  const directory = await mkdtemp(join(tmpdir(), "issuetracker-browser-"));
  const address = variables.ISSUETRACKER_HTTP_ADDR ?? `127.0.0.1:${await freePort()}`;
  const process_ = spawn(binary, [], {
    cwd: directory,
    env: {
      ...cleanEnvironment(),
      ISSUETRACKER_HTTP_ADDR: address,
      ISSUETRACKER_STORE_PATH: join(directory, "issues.sqlite"),
      NO_COLOR: "1",
      ...variables,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const server = new Server(process_, `http://${address}`, directory);
  try {
    await server.untilReady();
  } catch (error) {
    await server.stop().catch(() => {});
    throw error;
  }
  return server;
}

class Server {
  #process;
  #directory;
  #log = "";
  #ended;
  #endedWith = null;

  constructor(process_, url, directory) {
    this.#process = process_;
    this.#directory = directory;
    this.url = url;
    for (const stream of [process_.stdout, process_.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => { this.#log += text; });
    }
    this.#ended = new Promise((done) => {
      process_.once("error", (error) => done(this.#endedWith = `could not start: ${error.message}`));
      process_.once("close", (code, signal) => done(this.#endedWith = `code ${code}, signal ${signal}`));
    });
    // Whatever ends the tests ends the server too.
    process.once("exit", () => process_.kill("SIGKILL"));
  }

  /** What it printed, the last part of it if that is long. */
  get log() {
    const end = this.#endedWith === null ? "" : `\n(ended: ${this.#endedWith})`;
    return `--- the server's log ---\n${this.#log.slice(-8_000)}${end}\n--- end ---`;
  }

  async untilReady() {
    const deadline = Date.now() + START_TIMEOUT_MS;
    let last = "no answer";
    while (Date.now() < deadline) {
      assert.equal(this.#endedWith, null, `the server ended before it was ready\n${this.log}`);
      try {
        const response = await fetch(`${this.url}/readyz`);
        if (response.ok) return;
        last = `${response.status} ${await response.text()}`;
      } catch (error) {
        last = error.cause?.code ?? error.message;
      }
      await sleep(50);
    }
    assert.fail(`the server was not ready within ${START_TIMEOUT_MS / 1000} s (${last})\n${this.log}`);
  }

  /** Sends events in one batch, in the order given; returns the ids of their issues. Fails unless all are accepted. */
  async accept(...events) {
    const response = await fetch(`${this.url}/api/v1/events`, {
      method: "POST",
      body: events.map((event) => JSON.stringify(event)).join("\n"),
    });
    const body = await response.text();
    assert.equal(response.status, 200, body);
    const { results } = JSON.parse(body);
    assert.deepEqual(results.map((result) => result.status), events.map(() => "accepted"), body);
    return results.map((result) => result.issue_id);
  }

  /** Comments on an issue, as a program does. */
  async comment(issueId, content) {
    const response = await fetch(`${this.url}/api/v1/issues/${issueId}/comments`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ content }),
    });
    assert.ok(response.ok, `${response.status} ${await response.text()}`);
  }

  /** Ends it as an orchestrator does. It must end by itself, also with live updates open, and without errors logged. */
  async stop() {
    this.#process.kill("SIGTERM");
    const inTime = await Promise.race([this.#ended, sleep(STOP_TIMEOUT_MS, false, { ref: false })]);
    if (inTime === false) {
      this.#process.kill("SIGKILL");
      await this.#ended;
    }
    await rm(this.#directory, { recursive: true, force: true });
    assert.notEqual(inTime, false, `the server did not end within ${STOP_TIMEOUT_MS / 1000} s\n${this.log}`);
    assert.equal(this.#endedWith, "code 0, signal null", this.log);
    assert.doesNotMatch(this.#log, /\bERROR\b|panicked/, this.log);
  }
}

/** A port that nobody has at this moment. */
export function freePort() {
  return new Promise((done, fail) => {
    const probe = createServer().once("error", fail);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}
