// Providers to log in with: a certified one, and one that lies as it is told to. Both listen on this machine.

import { createHash, createHmac, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { mkdtemp, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startServer, freePort } from "./server.mjs";

const CLIENT = { client_id: "issuetracker", client_secret: "the-secret-of-the-client-0123456789" };

/** A server of ours that logs in with the provider at `issuer`. `make(redirect)` may be needed to know our address first. */
export async function startServerWithLogin(makeIssuer, variables = {}) {
  const address = `127.0.0.1:${await freePort()}`;
  const issuer = await makeIssuer(`http://${address}/oauth/callback`);
  const directory = await mkdtemp(join(tmpdir(), "issuetracker-login-"));
  const file = join(directory, "client.json");
  await writeFile(file, JSON.stringify({ web: CLIENT }), { mode: 0o600 });
  return startServer({
    ISSUETRACKER_HTTP_ADDR: address,
    // Tests are quicker than people.
    ISSUETRACKER_HTTP_REQUESTS_PER_MINUTE: "0",
    ISSUETRACKER_OIDC_ISSUER: issuer,
    ISSUETRACKER_OIDC_CREDENTIALS_FILE: file,
    ISSUETRACKER_OIDC_ADMINS: "ada@quantory.app",
    ...variables,
  });
}

/** npm's `oidc-provider` with its own pages; the login `grace` is grace@quantory.app, `eve@evil.example` as she says. */
export async function startCertified(redirectUri) {
  const { Provider } = await import("oidc-provider");
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    clients: [{ ...CLIENT, redirect_uris: [redirectUri], grant_types: ["authorization_code"], response_types: ["code"] }],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    pkce: { required: () => true },
    cookies: { keys: ["only-for-tests"] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        email: id.includes("@") ? id : `${id}@quantory.app`,
        email_verified: id !== "unverified",
        name: id[0].toUpperCase() + id.slice(1),
      }),
    }),
  });
  const listener = await listen(createServer(provider.callback()), port);
  return { issuer, stop: () => close(listener) };
}

const newKey = () => ({ id: randomUUID(), ...generateKeyPairSync("rsa", { modulusLength: 2048 }) });
const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A provider that answers as told: `claims`, `header`, `signed`, `answer` change what it says next. */
export class Liar {
  constructor() {
    this.key = newKey();
    this.codes = new Map();
    this.tell();
  }

  async start() {
    this.port = await freePort();
    this.issuer = `http://127.0.0.1:${this.port}`;
    this.listener = await listen(createServer((request, response) => this.#serve(request, response)), this.port);
    return this;
  }

  stop() {
    return close(this.listener);
  }

  rotate() {
    this.key = newKey();
  }

  /** What it says from now on; nothing is the truth. */
  tell({ claims = (c) => c, header = (h) => h, signed = null, answer = null, discovery = (d) => d, jwks = (k) => k, userinfo = null } = {}) {
    Object.assign(this, { claims, header, signed, answer, discovery, jwks, userinfo });
  }

  idToken(nonce) {
    const now = Math.floor(Date.now() / 1000);
    const claims = this.claims({
      iss: this.issuer, aud: CLIENT.client_id, sub: "subject-1", iat: now, exp: now + 600, nonce,
      email: "ada@quantory.app", email_verified: true, hd: "quantory.app", name: "Ada",
    });
    const header = this.header({ alg: "RS256", kid: this.key.id, typ: "JWT" });
    const text = `${part(header)}.${part(claims)}`;
    return this.signed?.(text, CLIENT.client_secret) ?? `${text}.${sign("sha256", Buffer.from(text), this.key.privateKey).toString("base64url")}`;
  }

  async #serve(request, response) {
    const url = new URL(request.url, this.issuer);
    const json = (value, status = 200) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(typeof value === "string" ? value : JSON.stringify(value));
    };
    switch (url.pathname) {
      case "/.well-known/openid-configuration":
        return json(this.discovery({
          issuer: this.issuer, authorization_endpoint: `${this.issuer}/authorize`, token_endpoint: `${this.issuer}/token`,
          jwks_uri: `${this.issuer}/jwks`, userinfo_endpoint: `${this.issuer}/userinfo`, response_types_supported: ["code"],
          subject_types_supported: ["public"], id_token_signing_alg_values_supported: ["RS256"],
          claims_supported: ["sub", "email", "hd"],
        }));
      case "/jwks":
        return json({ keys: this.jwks([{ ...this.key.publicKey.export({ format: "jwk" }), kid: this.key.id, use: "sig", alg: "RS256" }]) });
      case "/authorize": {
        const code = randomUUID();
        this.asked = Object.fromEntries(url.searchParams);
        this.codes.set(code, this.asked);
        const back = new URL(this.asked.redirect_uri);
        back.search = new URLSearchParams({ code, state: this.asked.state });
        response.writeHead(302, { location: back.href });
        return response.end();
      }
      case "/token": {
        const body = new URLSearchParams(await read(request));
        if (this.answer) return this.answer(json, response, body);
        const asked = this.codes.get(body.get("code"));
        this.codes.delete(body.get("code"));
        const challenge = createHash("sha256").update(body.get("code_verifier") ?? "").digest("base64url");
        if (asked?.code_challenge_method !== "S256" || challenge !== asked.code_challenge) return json({ error: "invalid_grant" }, 400);
        return json({ access_token: "a", token_type: "Bearer", expires_in: 60, id_token: this.idToken(asked.nonce) });
      }
      case "/userinfo":
        return this.userinfo ? json(this.userinfo) : json({}, 404);
      default:
        return json({}, 404);
    }
  }
}

export const hmac = (text, secret) => `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;

async function read(stream) {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
}

const listen = (server, port) => new Promise((done) => server.listen(port, "127.0.0.1", () => done(server)));
const close = (server) => new Promise((done) => {
  server.closeAllConnections();
  server.close(done);
});

/** A browser without a window: keeps cookies, follows nothing by itself. */
export class Jar {
  cookies = new Map();

  constructor(server) {
    this.server = server;
  }

  async ask(path, options = {}) {
    const url = new URL(path, this.server.url);
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...options.headers, ...(cookie && url.origin === this.server.url && { cookie }) };
    const response = await fetch(url, { redirect: "manual", ...options, headers });
    for (const line of response.headers.getSetCookie()) {
      const [name, value] = line.split(";")[0].split("=");
      if (value) this.cookies.set(name, value);
      else this.cookies.delete(name);
    }
    return response;
  }

  /** To the provider and back; returns the address that it sends us to. */
  async visitProvider(next = "") {
    const leave = await this.ask(`/login?next=${encodeURIComponent(next)}`);
    const back = await fetch(leave.headers.get("location"), { redirect: "manual" });
    return back.headers.get("location");
  }

  /** All of it; returns our last answer. */
  async logIn(next) {
    return this.ask(await this.visitProvider(next));
  }
}
