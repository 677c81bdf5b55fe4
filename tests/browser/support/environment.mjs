// What the tests take from outside, and the rule for it: what is missing is a failure that says what to do, never a skip.

import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";

const PACKAGE = resolve(import.meta.dirname, "..");

/** A path from the environment; relative ones are meant from this package. */
export function fromEnvironment(name, fallback) {
  return resolve(PACKAGE, process.env[name] || fallback);
}

export function requireFile(path, variable, remedy) {
  try {
    accessSync(path, constants.X_OK);
  } catch {
    throw new Error(`${path} is not there or cannot be run. Set ${variable}, or: ${remedy}`);
  }
}

/** Our environment without what would configure the server or the examples behind the tests' back. */
export function cleanEnvironment() {
  const ours = /^(ISSUETRACKER_|TRACING_ISSUES_|RUST_LOG$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}
