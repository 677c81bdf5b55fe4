// Login: with a certified provider in a real browser, and with one that lies. Nobody but who belongs gets in.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launchChromium, openContext } from "./support/chromium.mjs";
import { checkLooks, TWO_LOOKS } from "./support/accessibility.mjs";
import { runExample } from "./support/examples.mjs";
import { leadingAway, path } from "./support/pages.mjs";
import { hmac, Jar, Liar, startCertified, startServerWithLogin } from "./support/providers.mjs";

const servers = [];
let liar, hostile, certified, server, browser;

before(async () => {
  liar = await new Liar().start();
  hostile = await startServerWithLogin(() => liar.issuer);
  server = await startServerWithLogin(async (redirect) => (certified = await startCertified(redirect)).issuer);
  servers.push(hostile, server);
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  for (const each of servers) await each.stop();
  await liar?.stop();
  await certified?.stop();
});

async function logInAs(page, login) {
  await page.getByPlaceholder("Enter any login").fill(login);
  await page.getByPlaceholder("and password").fill("any");
  await leadingAway(page, () => page.getByRole("button", { name: "Sign-in" }).click());
  await leadingAway(page, () => page.getByRole("button", { name: "Continue" }).click());
}

test("a person logs in with a certified provider, works, and logs out", async () => {
  const { context } = await openContext(browser, server.url);
  const page = await context.newPage();
  await page.goto("/issues?q=feed");
  assert.notEqual(new URL(page.url()).origin, server.url);
  await logInAs(page, "grace");
  assert.equal(path(page), "/issues?q=feed");
  assert.equal(await page.locator(".who").innerText(), "Grace\nVIEWER");
  assert.equal(await page.getByRole("link", { name: "New issue" }).count(), 0);

  const [cookie] = (await context.cookies()).filter(({ name }) => name === "issuetracker");
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.sameSite, "Lax");
  const api = () => fetch(`${server.url}/api/v1/issues`, { headers: { cookie: `issuetracker=${cookie.value}` } });
  assert.equal((await api()).status, 200);

  await leadingAway(page, () => page.getByRole("button", { name: "Log out" }).click());
  assert.equal(path(page), "/logged-out");
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "You are logged out");
  assert.equal((await api()).status, 401, "the cookie is worth nothing now, wherever it was copied to");
  await context.close();
});

test("the first administrator comes from the configuration; a stranger is told that they are one", async () => {
  for (const [login, sees] of [["ada", "ADMIN"], ["eve@evil.example", null], ["unverified", null]]) {
    const { context } = await openContext(browser, server.url);
    const page = await context.newPage();
    await page.goto("/");
    await logInAs(page, login);
    if (sees) {
      assert.equal(await page.locator(".who .role").innerText(), sees);
    } else {
      assert.equal(await page.locator(".error-status").innerText(), "403");
      assert.equal(await page.locator(".who").count(), 0);
      assert.match(server.log, /a login was refused/);
    }
    await context.close();
  }
  assert.doesNotMatch(server.log, /@/, "mail addresses are not logged");
});

test("an administrator says what others may do, and one administrator stays", async () => {
  const logIn = async (login) => {
    const { context } = await openContext(browser, server.url);
    const page = await context.newPage();
    await page.goto("/");
    await logInAs(page, login);
    return page;
  };
  const [grace, ada] = [await logIn("grace"), await logIn("ada")];
  assert.equal((await grace.goto("/users")).status(), 403);
  await grace.goto("/issues");
  assert.equal(await grace.getByRole("link", { name: "New issue" }).count(), 0);

  await ada.getByRole("link", { name: "Users" }).click();
  const row = (name) => ada.getByRole("listitem").filter({ hasText: name });
  await row("Grace").getByRole("combobox").selectOption("DEVELOPER");
  await leadingAway(ada, () => row("Grace").getByRole("button", { name: "Change" }).click());
  assert.equal(await row("Grace").getByRole("combobox").inputValue(), "DEVELOPER");
  await grace.reload();
  assert.equal(await grace.getByRole("link", { name: "New issue" }).count(), 1, "from the next request on");

  await row("Ada").getByRole("combobox").selectOption("VIEWER");
  await leadingAway(ada, () => row("Ada").getByRole("button", { name: "Change" }).click());
  assert.match(await ada.locator("main").innerText(), /last active ADMIN/);

  await ada.goto("/users");
  await leadingAway(ada, () => row("Grace").getByRole("button", { name: "Deactivate" }).click());
  assert.match(await row("Grace").innerText(), /deactivated/);
  await grace.goto("/issues");
  assert.equal(await grace.locator(".error-status").innerText(), "403", "the provider knows her still, we do not");

  const users = await ada.evaluate(async () => (await fetch("/api/v1/users")).json());
  const { uid } = users.users.find(({ display_name }) => display_name === "Grace");
  const patch = (body) => ada.evaluate(async ([uid, body]) => {
    const answer = await fetch(`/api/v1/users/${uid}`, { method: "PATCH", headers: { "x-csrf-token": (await (await fetch("/api/v1/me")).json()).csrf_token }, body: JSON.stringify(body) });
    return { status: answer.status, body: await answer.json() };
  }, [uid, body]);
  assert.equal((await patch({ role: "SERVICE" })).status, 400, "no person is a service");
  assert.equal((await patch({ email: "x@quantory.app" })).status, 400);
  for (const nobody of ["ff", "x%2Fy", ".."]) {
    const answer = await ada.evaluate(async (uid) => (await fetch(`/api/v1/users/${uid}`, { method: "PATCH", headers: { "x-csrf-token": (await (await fetch("/api/v1/me")).json()).csrf_token }, body: "{}" })).status, nobody);
    assert.ok([404, 405].includes(answer), `${nobody}: ${answer}`);
  }
  const { status, body } = await patch({ role: "VIEWER", active: true });
  assert.deepEqual([status, body.role, body.active], [200, "VIEWER", true]);
  assert.equal(await ada.evaluate(async () => (await (await fetch("/api/v1/me")).json()).role), "ADMIN");
  await Promise.all([grace, ada].map((page) => page.context().close()));
});

test("a service reports with a key, as itself and for as long as it may", async () => {
  const { context } = await openContext(browser, server.url);
  const page = await context.newPage();
  await page.goto("/keys");
  await logInAs(page, "ada");
  assert.match(await page.locator("main").innerText(), /No service has a key yet/);
  await page.getByLabel("Service").fill(" ");
  await page.getByRole("button", { name: "Create key" }).click();
  assert.match(await page.getByRole("alert").innerText(), /1 to 200 characters/);
  await page.getByLabel("Service").fill("newsfeed");
  await page.getByLabel("Valid").selectOption({ label: "30 days" });
  await page.getByRole("button", { name: "Create key" }).click();
  const [, key] = (await page.locator(".new-key pre code").innerText()).match(/TRACING_ISSUES_API_KEY=(itk_[0-9a-f]{16}_[0-9a-f]{64})/);
  await checkLooks(page, TWO_LOOKS);
  await page.goto("/keys");
  assert.ok(!(await page.content()).includes(key), "shown once");
  assert.match(await page.getByRole("listitem").innerText(), /newsfeed.*never used/s);

  const ask = (path, body, authorization = `Bearer ${key}`, headers = {}) => fetch(server.url + path, {
    method: body ? "POST" : "GET", body, headers: { ...(authorization ? { authorization } : {}), ...headers },
  });
  const event = (service) => JSON.stringify({ title: "feed stalled", service });
  const { results } = await (await ask("/api/v1/events", [event("newsfeed"), event("billing"), event("")].join("\n"))).json();
  assert.deepEqual(results.map(({ status, code }) => code ?? status), ["accepted", "other_service", "other_service"]);
  assert.match(results[1].reason, /`service` must be newsfeed/);
  const created = await ask("/api/v1/issues", JSON.stringify({ title: "from a script" }));
  assert.equal(created.status, 202);
  assert.equal((await ask("/api/v1/issues", JSON.stringify({ title: "x", service: "billing" }))).status, 400);
  for (const address of ["/api/v1/issues", "/api/v1/me", "/api/v1/keys", "/api/v1/users", "/api/v1/stream", "/issues", "/keys"]) {
    assert.equal((await ask(address)).status, 403, address);
  }
  const cookies = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
  assert.equal((await ask("/api/v1/users", undefined, `Bearer ${key}`, { cookie: cookies })).status, 403, "the key is who asks");

  // The layer of a service that knows nothing but the two variables.
  const run = (environment) => runExample(server, "storm", ["--rate", "max", "--distinct", "3", "--events", "6", "--threads", "1"], {
    environment: { TRACING_ISSUES_SERVICE: "newsfeed", ...environment },
  });
  await run({ TRACING_ISSUES_API_KEY: key });
  const own = async () => (await (await fetch(`${server.url}/api/v1/issues?q=service:newsfeed`, { headers: { cookie: cookies } })).json()).issues;
  const issues = await own();
  assert.ok(issues.length > 2, JSON.stringify(issues.map(({ title }) => title)));
  const refused = await run({ TRACING_ISSUES_API_KEY: `${key.slice(0, -1)}x` });
  assert.match(refused.stderr, /401/);
  assert.ok(!refused.stderr.includes(key.slice(0, -1)), "no key is logged");
  assert.equal((await own()).length, issues.length);

  for (const wrong of ["", "Bearer x", `Bearer ${key.replace(/.$/, (last) => (last === "0" ? "1" : "0"))}`, `Basic ${key}`]) {
    const answer = await ask("/api/v1/events", event("newsfeed"), wrong);
    assert.equal(answer.status, 401, wrong);
    assert.equal(answer.headers.get("www-authenticate"), "Bearer");
  }
  await page.goto("/users");
  const user = page.getByRole("listitem").filter({ hasText: "newsfeed@service.alphafusion.local" });
  assert.match(await user.innerText(), /^Newsfeed.*SERVICE/s);
  assert.equal(await user.getByRole("combobox").count(), 0, "a service is a service");

  await page.goto("/keys");
  assert.match(await page.getByRole("listitem").innerText(), /last used/);
  await page.getByText("Revoke…").click();
  await leadingAway(page, () => page.getByRole("button", { name: "Refuse it" }).click());
  assert.equal((await ask("/api/v1/events", event("newsfeed"))).status, 401);
  assert.match(server.log, /a key was refused.*revoked/);
  assert.ok(!server.log.includes(key), "no key is logged");

  assert.equal((await fetch(`${server.url}/oauth/callback?state=x&code=y`)).status, 400);
  await page.getByRole("link", { name: "Audit" }).click();
  const entries = await page.getByRole("list", { name: "Entries" }).innerText();
  assert.match(entries, /Ada revoked a key.*Ada created a key.*for newsfeed.*Ada logged in/s);
  assert.match(entries, /was refused.*no such login is under way · from 127/s);
  assert.doesNotMatch(entries, /evil.example/);
  await checkLooks(page, TWO_LOOKS);
  await page.getByLabel("Show").selectOption({ label: "created a key" });
  await leadingAway(page, () => page.getByRole("button", { name: "Show" }).click());
  assert.equal(await page.getByRole("listitem").count(), 1);
  assert.equal(await page.evaluate(async () => (await fetch("/api/v1/audit?action=nothing")).status), 400);
  await context.close();
});

test("people are shown by their names and meant by their mail addresses", async () => {
  const { context } = await openContext(browser, server.url);
  const ada = await context.newPage();
  await ada.goto("/users");
  await logInAs(ada, "ada");
  const users = await ada.evaluate(async () => (await (await fetch("/api/v1/users")).json()).users);
  const grace = users.find(({ display_name }) => display_name === "Grace");
  const patched = await ada.evaluate(async (uid) => (await fetch(`/api/v1/users/${uid}`, { method: "PATCH", headers: { "x-csrf-token": (await (await fetch("/api/v1/me")).json()).csrf_token }, body: JSON.stringify({ role: "DEVELOPER", active: true }) })).status, grace.uid);
  assert.equal(patched, 200);

  await ada.goto("/issues/new");
  await ada.getByLabel("Title").fill("Rotate the keys");
  assert.ok((await ada.locator("#people option").evaluateAll((options) => options.map(({ value }) => value))).includes("grace@quantory.app"));
  await ada.getByLabel("Assignee").fill("grace@quantory.app");
  await leadingAway(ada, () => ada.getByRole("button", { name: "Create issue" }).click());
  const text = await ada.locator("main").innerText();
  assert.match(text, /Grace/);
  assert.match(text, /Reporter\s+Ada/);
  assert.ok(!text.includes(grace.uid), "ids are for programs");
  assert.equal(await ada.getByLabel("Assignee").inputValue(), "grace@quantory.app");
  const { issues } = await ada.evaluate(async () => (await fetch("/api/v1/issues?q=assigned:grace@quantory.app")).json());
  assert.deepEqual(issues.map(({ title, assignee_id }) => [title, assignee_id]), [["Rotate the keys", grace.uid]]);

  await ada.getByLabel("Assignee").fill("Ada");
  await leadingAway(ada, () => ada.getByRole("button", { name: "Save" }).click());
  assert.match(await ada.locator("main").innerText(), /assigned this to Ada.*Ada, /s);
  await ada.goto("/issues?q=assigned:me");
  assert.equal(await ada.locator(".avatar").first().getAttribute("title"), "Assigned to Ada");
  const { completions } = await ada.evaluate(async () => (await fetch("/api/v1/issues/complete?q=assigned:gr")).json());
  assert.deepEqual(completions, ["assigned:grace@quantory.app"]);
  await context.close();
});

test("people see where they are logged in and end it, and live updates end with it", async () => {
  const open = async (login, userAgent) => {
    const context = await browser.newContext({ baseURL: server.url, ...(userAgent ? { userAgent } : {}) });
    const page = await context.newPage();
    await page.goto("/sessions");
    await logInAs(page, login);
    return page;
  };
  const [here, phone] = [await open("ada"), await open("ada", "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0")];
  await here.reload();
  assert.match(await here.locator("main").innerText(), /Firefox on Android/);
  assert.equal(await here.getByRole("listitem").filter({ hasText: "this one" }).count(), 1);
  await checkLooks(here, TWO_LOOKS);

  const streamOf = async (page) => {
    const [{ value }] = (await page.context().cookies()).filter(({ name }) => name === "issuetracker");
    const answer = await fetch(`${server.url}/api/v1/stream`, { headers: { cookie: `issuetracker=${value}` } });
    assert.equal(answer.status, 200);
    const end = (async () => { for await (const _ of answer.body) { /* until it ends */ } })();
    return { end, again: async () => (await fetch(`${server.url}/api/v1/stream`, { headers: { cookie: `issuetracker=${value}` } })).status };
  };
  const ofPhone = await streamOf(phone);
  const others = here.getByRole("button", { name: "End all others" });
  await leadingAway(here, () => others.click());
  await ofPhone.end;
  assert.equal(await ofPhone.again(), 401);
  assert.equal(await here.getByRole("listitem").count(), 1);
  assert.equal(await others.count(), 0);

  // An ADMIN ends anyone's; whoever is logged out listens no longer.
  const grace = await open("nobody");
  const ofGrace = await streamOf(grace);
  await here.goto("/users");
  await leadingAway(here, () => here.getByRole("listitem").filter({ hasText: "nobody@" }).getByRole("button", { name: "Log out" }).click());
  await ofGrace.end;
  assert.equal(await ofGrace.again(), 401);
  const own = await streamOf(here);
  const ids = await here.evaluate(async () => (await (await fetch("/api/v1/sessions")).json()).sessions);
  assert.deepEqual(ids.map(({ current }) => current), [true]);
  assert.equal(await here.evaluate(async () => (await fetch("/api/v1/sessions/x", { method: "DELETE", headers: { "x-csrf-token": (await (await fetch("/api/v1/me")).json()).csrf_token } })).status), 404);
  await leadingAway(here, () => here.getByRole("button", { name: "Log out" }).first().click());
  await own.end;
  for (const page of [here, phone, grace]) await page.context().close();
});

test("without a session nothing is shown", async () => {
  const jar = new Jar(hostile);
  for (const address of ["/", "/issues", "/issues/new", "/dead-letters", "/users", "/nothing"]) {
    const answer = await jar.ask(address);
    assert.equal(answer.status, 303, address);
    const leads = new URL(answer.headers.get("location"), hostile.url);
    assert.equal(leads.pathname, "/login");
    assert.equal(leads.searchParams.get("next"), address);
  }
  for (const address of ["/api/v1/issues", "/api/v1/stream", "/api/v1/nothing"]) assert.equal((await jar.ask(address)).status, 401, address);
  for (const address of ["/issues", "/api/v1/events", "/api/v1/issues", "/logout", "/gaps/dismiss"]) {
    assert.equal((await jar.ask(address, { method: "POST", body: "{}" })).status, 401, address);
  }
  for (const address of ["/healthz", "/readyz", "/metrics", "/logged-out"]) assert.equal((await jar.ask(address)).status, 200, address);
});

test("the truth is believed, also after a change of keys; the request has what it needs", async () => {
  for (const turn of [1, 2]) {
    liar.tell();
    const jar = new Jar(hostile);
    const answer = await jar.logIn("/issues?turn=" + turn);
    assert.equal(answer.status, 303, await answer.text());
    assert.equal(answer.headers.get("location"), "/issues?turn=" + turn);
    assert.equal((await jar.ask("/issues")).status, 200);
    assert.equal(liar.asked.code_challenge_method, "S256");
    assert.ok(liar.asked.state.length >= 43 && liar.asked.nonce.length >= 43);
    assert.match(liar.asked.scope, /\bopenid\b/);
    liar.rotate();
  }
  liar.tell({ claims: ({ email, email_verified, ...rest }) => rest, userinfo: { sub: "subject-1", email: "ada@quantory.app", email_verified: true } });
  assert.equal((await new Jar(hostile).logIn()).status, 303, "the mail address may be told apart");
});

const now = () => Math.floor(Date.now() / 1000);
const without = (name) => ({ claims: ({ [name]: _, ...rest }) => rest });
const withClaim = (claim) => ({ claims: (claims) => ({ ...claims, ...claim }) });
const stranger = () => new Liar();
const LIES = {
  "no signature": { signed: (text) => `${text}.` },
  "alg none": { header: (h) => ({ ...h, alg: "none" }), signed: (text) => `${text}.` },
  "alg None": { header: (h) => ({ ...h, alg: "None" }), signed: (text) => `${text}.` },
  "HS256 with the client's secret": { header: () => ({ alg: "HS256" }), signed: hmac },
  "RS384 in the header": { header: (h) => ({ ...h, alg: "RS384" }) },
  "ES256 in the header": { header: (h) => ({ ...h, alg: "ES256" }) },
  "another key": { signed: (text) => `${text}.${stranger().idToken("x").split(".")[2]}` },
  "an unknown key id": { header: (h) => ({ ...h, kid: "nobody" }) },
  "a key in the header": { header: (h) => ({ ...h, kid: "x", jwk: stranger().key.publicKey.export({ format: "jwk" }) }) },
  "critical extension": { header: (h) => ({ ...h, crit: ["x"], x: 1 }) },
  "another issuer": withClaim({ iss: "https://accounts.google.com" }),
  "the issuer with a slash": { claims: (c) => ({ ...c, iss: `${c.iss}/` }) },
  "no issuer": without("iss"),
  "another audience": withClaim({ aud: "somebody" }),
  "more audiences": withClaim({ aud: ["issuetracker", "somebody"] }),
  "no audience": without("aud"),
  "another party": withClaim({ azp: "somebody" }),
  "another nonce": withClaim({ nonce: "x" }),
  "no nonce": without("nonce"),
  expired: { claims: (c) => ({ ...c, exp: now() - 5 }) },
  "no expiry": without("exp"),
  "issued long ago": { claims: (c) => ({ ...c, iat: now() - 86_400 }) },
  "issued tomorrow": { claims: (c) => ({ ...c, iat: now() + 86_400, exp: now() + 90_000 }) },
  "no issue time": without("iat"),
  "not yet": { claims: (c) => ({ ...c, nbf: now() + 3_600 }) },
  "another access token": withClaim({ at_hash: "AAAAAAAAAAAAAAAAAAAAAA" }),
  "no subject": without("sub"),
  "empty subject": withClaim({ sub: "" }),
  "unverified mail": withClaim({ email_verified: false }),
  "mail verified, but nobody says so": without("email_verified"),
  "mail verified, as a text": withClaim({ email_verified: "false" }),
  "another domain": withClaim({ email: "ada@evil.example" }),
  "a domain that ends alike": withClaim({ email: "ada@evilquantory.app" }),
  "a domain below": withClaim({ email: "ada@x.quantory.app" }),
  "two domains": withClaim({ email: "ada@evil.example@quantory.app" }),
  "another organisation": withClaim({ hd: "evil.example" }),
  "no organisation": without("hd"),
  "no mail address": without("email"),
  "somebody else's mail address": { ...without("email"), userinfo: { sub: "subject-2", email: "ada@quantory.app", email_verified: true } },
  "no token": { answer: (json) => json({ access_token: "a", token_type: "Bearer" }) },
  "a broken token": { answer: (json) => json({ access_token: "a", token_type: "Bearer", id_token: "x.y.z" }) },
  "no JSON": { answer: (json) => json("<html>") },
  "an error": { answer: (json) => json({ error: "invalid_grant" }, 400) },
  "a huge answer": { answer: (json) => json(JSON.stringify({ access_token: "a".repeat(3_000_000) })) },
  "a redirect": { answer: (_, response) => response.writeHead(307, { location: "/token" }).end() },
  "another issuer discovered": { discovery: (d) => ({ ...d, issuer: "https://accounts.google.com" }), late: true },
  "keys elsewhere": { discovery: (d) => ({ ...d, jwks_uri: "http://192.0.2.1/jwks" }), late: true },
  "no keys": { jwks: () => [] },
  "a huge set of keys": { jwks: () => ["x".repeat(3_000_000)], late: true },
};

for (const [name, { late, ...lie }] of Object.entries(LIES)) {
  test(`a lie is not believed: ${name}`, async () => {
    liar.tell(late ? {} : lie);
    const jar = new Jar(hostile);
    const back = await jar.visitProvider();
    liar.tell(lie);
    const answer = await jar.ask(back);
    assert.ok([403, 503].includes(answer.status), `${answer.status} ${await answer.text()}`);
    assert.equal(jar.cookies.has("issuetracker"), false);
    assert.equal((await jar.ask("/api/v1/issues")).status, 401);
    liar.tell();
    assert.equal((await jar.ask(back)).status, 400, "and the state is used up");
  });
}

test("state and code count once, in the browser that asked, and only there", async () => {
  liar.tell();
  const [ada, eve] = [new Jar(hostile), new Jar(hostile)];
  const back = await ada.visitProvider();
  assert.equal((await eve.ask(back)).status, 400, "another browser");
  await eve.visitProvider();
  assert.equal((await eve.ask(back)).status, 400, "another browser that logs in, too");
  const both = await Promise.all([ada.ask(back), ada.ask(back), ada.ask(back)]);
  assert.deepEqual(both.map(({ status }) => status).sort(), [303, 400, 400], "only once");
  const url = new URL(await ada.visitProvider());
  for (const change of [{ state: "x" }, { state: "" }, { iss: "https://accounts.google.com" }, {}]) {
    const changed = new URL(url);
    for (const [key, value] of Object.entries(change)) changed.searchParams.set(key, value);
    const { status } = await new Jar(hostile).ask(changed.href);
    assert.equal(status, 400, JSON.stringify(change));
  }
  assert.equal((await ada.ask(`/oauth/callback?state=${url.searchParams.get("state")}&error=access_denied`)).status, 403);
});

test("a session is new at each login, and the one before ends", async () => {
  liar.tell();
  const jar = new Jar(hostile);
  jar.cookies.set("issuetracker", "f".repeat(43));
  await jar.logIn();
  const first = jar.cookies.get("issuetracker");
  assert.notEqual(first, "f".repeat(43));
  await jar.logIn();
  assert.notEqual(jar.cookies.get("issuetracker"), first);
  const old = new Jar(hostile);
  old.cookies.set("issuetracker", first);
  assert.equal((await old.ask("/api/v1/issues")).status, 401);
});

test("after login one is on this server, and a foreign page logs nobody out", async () => {
  liar.tell();
  const jar = new Jar(hostile);
  for (const next of ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/logout"]) {
    assert.equal((await jar.logIn(next)).headers.get("location"), "/issues", next);
  }
  const foreign = { method: "POST", headers: { origin: "http://evil.example" } };
  assert.equal((await jar.ask("/logout", foreign)).status, 403);
  assert.equal((await jar.ask("/logout")).status, 405);
  // Whoever can send our cookie, but has not read our pages, changes nothing either.
  const { csrf_token } = await (await jar.ask("/api/v1/me")).json();
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const stranger = new Jar(hostile);
  await stranger.logIn("/issues");
  const { csrf_token: other } = await (await stranger.ask("/api/v1/me")).json();
  assert.notEqual(other, csrf_token);
  for (const [headers, body] of [[form, ""], [form, "csrf="], [form, `csrf=${other}`], [form, `x=csrf=${csrf_token}`], [{}, "{}"], [{ "x-csrf-token": other }, `csrf=${csrf_token}`], [{ "content-type": "multipart/form-data" }, `csrf=${csrf_token}`]]) {
    for (const address of ["/logout", "/api/v1/issues"]) {
      const answer = await jar.ask(address, { method: "POST", headers, body });
      assert.equal(answer.status, 403, `${address} ${body}`);
      assert.match(await answer.text(), /out of date/);
    }
  }
  assert.match(await (await jar.ask("/issues")).text(), new RegExp(`name="csrf" value="${csrf_token}"`));
  const issue = { method: "POST", headers: { "x-csrf-token": csrf_token }, body: JSON.stringify({ title: "x" }) };
  assert.notEqual((await jar.ask("/api/v1/issues", issue)).status, 401);
  assert.equal((await jar.ask("/api/v1/issues")).status, 200);
});

test("a provider that hangs holds up nobody else, and is given up", async () => {
  liar.tell({ answer: () => {} });
  const hanging = [1, 2, 3].map(async () => (await new Jar(hostile).logIn()).status);
  const started = Date.now();
  assert.equal((await fetch(`${hostile.url}/readyz`)).status, 200);
  assert.ok(Date.now() - started < 2_000);
  assert.deepEqual(await Promise.all(hanging), [503, 503, 503]);
  liar.tell();
  assert.equal((await new Jar(hostile).logIn()).status, 303);
});
