// The real examples, run as processes of their own against a server. When one has ended, its errors are stored.

import { spawn } from "node:child_process";

import { cleanEnvironment, fromEnvironment, requireFile } from "./environment.mjs";

const TIMEOUT_MS = 60_000;

/** Runs an example to its end; returns what it printed. Fails unless it exits with `expectedCode`. */
export async function runExample(server, name, args = [], { expectedCode = 0, environment = {} } = {}) {
  const binary = `${fromEnvironment("EXAMPLE_BIN_DIR", "../../target/debug")}/${name}`;
  requireFile(binary, "EXAMPLE_BIN_DIR", `cargo build -p examples --bin ${name}`);
  const child = spawn(binary, args, {
    env: { ...cleanEnvironment(), TRACING_ISSUES_URL: server.url, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
  });
  const printed = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"]) {
    child[stream].setEncoding("utf8").on("data", (text) => { printed[stream] += text; });
  }
  const [code, signal] = await new Promise((done, fail) => {
    child.once("error", fail).once("close", (...end) => done(end));
  });
  if (code !== expectedCode) {
    throw new Error(
      `example ${name} ended with code ${code}, signal ${signal}; expected ${expectedCode}\n${printed.stdout}${printed.stderr}`,
    );
  }
  return printed;
}
