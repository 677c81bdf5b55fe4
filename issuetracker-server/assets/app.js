// What the dashboard does beyond its pages: every page works without it.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const store = { get(key) { try { return sessionStorage.getItem(key); } catch { return null; } }, set(key, value) { try { sessionStorage.setItem(key, value); } catch { /* private mode */ } } };
  const page = $("[data-page]")?.dataset.page ?? "";

  // Times: exact in the reader's zone on hover, relative ones kept fresh. The words are the server's.
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const relative = (then) => {
    const seconds = Math.max(0, (Date.now() - then) / 1000);
    if (seconds < 60) return "just now";
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
    const days = Math.floor(seconds / 86400);
    if (days < 30) return `${days} d ago`;
    return days < 365 ? `${Math.floor(days / 30)} mo ago` : `${Math.floor(days / 365)} y ago`;
  };
  for (const time of $$("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(+at)) time.title = exact.format(at);
  }
  const refresh = () => {
    if (document.hidden) return;
    for (const time of $$("time[data-relative]")) {
      const text = relative(Date.parse(time.dateTime));
      if (!text.startsWith("NaN") && time.textContent !== text) time.textContent = text;
    }
  };
  setInterval(refresh, 30_000);
  document.addEventListener("visibilitychange", refresh);

  // Forms: no empty parameters in addresses, filters apply when chosen, nothing is sent twice.
  const filters = $("form.filters");
  filters?.addEventListener("formdata", ({ formData }) => {
    for (const [key, value] of [...formData]) if (!value && key !== "q") formData.delete(key);
  });
  for (const select of $$("select[data-autosubmit]")) {
    // Arrow keys pass over values on their way, so the keyboard gets a moment; a click does not need one.
    let timer = 0, keyed = false;
    select.addEventListener("keydown", () => { keyed = true; });
    select.addEventListener("pointerdown", () => { keyed = false; });
    select.addEventListener("change", () => {
      clearTimeout(timer);
      timer = setTimeout(() => select.form.requestSubmit(), keyed ? 800 : 0);
    });
  }
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
  });
  for (const area of $$("textarea")) {
    area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) area.form.requestSubmit();
    });
  }

  for (const button of $$("[data-copy]")) {
    const label = $("span", button);
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(source.textContent);
        label.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(source);
        label.textContent = "Selected";
      }
      setTimeout(() => { label.textContent = "Copy"; }, 1500);
    });
  }

  const pending = $("[data-pending]");
  if (pending) setTimeout(() => location.replace(pending.dataset.pending), 1000);

  // Keys. The selected row is the focused one, so Enter, screen readers and the browser agree with us.
  const keys = $("#keys");
  const titles = $$(".rows .title");
  const remember = (link) => store.set("row", link.closest("[data-id]").dataset.id);
  for (const link of titles) link.addEventListener("click", () => remember(link));
  const move = (step) => {
    if (!titles.length) return;
    const row = document.activeElement?.closest?.("tr[data-id]");
    let at = titles.findIndex((link) => link.closest("tr") === row);
    if (at < 0) {
      const last = store.get("row");
      at = titles.findIndex((link) => link.closest("tr").dataset.id === last);
      if (at < 0) at = step > 0 ? -1 : titles.length;
    }
    const link = titles[Math.min(titles.length - 1, Math.max(0, at + step))];
    link.focus();
    link.closest("tr").scrollIntoView({ block: "nearest" });
    remember(link);
  };
  const back = () => {
    const link = $("a.back");
    if (!link) return;
    let from = null;
    try { from = new URL(document.referrer); } catch { /* opened directly */ }
    if (from?.origin === location.origin && from.pathname === "/issues" && history.length > 1) history.back();
    else location.href = link.href;
  };
  const search = () => {
    const input = $("#q");
    if (!input) { location.href = "/issues#q"; return; }
    input.focus();
    input.select();
  };
  const actions = {
    "/": search,
    "?": () => keys.showModal(),
    j: () => move(1),
    k: () => move(-1),
    o: () => document.activeElement?.closest?.("tr[data-id]")?.querySelector(".title").click(),
    c: () => $("#new")?.click(),
    u: back,
    "g i": () => { location.href = "/issues"; },
    "g d": () => $("nav a[href='/dead-letters']")?.click(),
  };
  let leader = "", leaderTimer = 0;
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.key === "Escape" && target.id === "q") { target.blur(); return; }
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
    if (target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    const action = actions[leader ? `${leader} ${event.key}` : event.key] ?? actions[event.key];
    clearTimeout(leaderTimer);
    leader = "";
    if (action) {
      event.preventDefault();
      action();
    } else if (event.key === "g") {
      leader = "g";
      leaderTimer = setTimeout(() => { leader = ""; }, 1000);
    }
  });
  for (const button of $$("[data-dialog]")) {
    button.addEventListener("click", () => document.getElementById(button.dataset.dialog).showModal());
  }
  keys?.addEventListener("click", (event) => { if (event.target === keys) keys.close(); });
  if (location.hash === "#q") search();

  // Live: one stream for all tabs of this browser (it allows six connections to a server), rows never move.
  const live = $("#live");
  if (!live || !window.EventSource) return;
  const title = document.title;
  const created = new Set(), changed = new Set();
  const shown = $("[data-page='issue']")?.dataset.id;
  const say = (text, action) => {
    const link = $("a", live) ?? live.appendChild(document.createElement("a"));
    link.setAttribute("href", location.pathname + location.search);
    link.textContent = `${text} — ${action}`;
    live.hidden = false;
  };
  const row = (id) => $(`tr[data-id="${CSS.escape(id)}"]`);
  // On a filtered list only what would be on it is news. The server says what that is, asked every two seconds at most.
  const isFiltered = [...new URLSearchParams(location.search).keys()].some((key) => !["sort", "cursor"].includes(key));
  const unsure = { ids: new Set(), created: new Set() };
  let asking = false;
  const ask = async () => {
    asking = true;
    while (unsure.ids.size + unsure.created.size) {
      const [ids, fresh] = [[...unsure.ids], [...unsure.created]];
      unsure.ids.clear();
      unsure.created.clear();
      const wanted = new URLSearchParams(location.search);
      for (const [key, value] of [["sort", "last_seen"], ["limit", "100"]]) wanted.set(key, value);
      wanted.delete("cursor");
      let here = () => true;
      try {
        const answer = await fetch(`/api/v1/issues?${wanted}`);
        if (answer.ok) {
          const known = new Set((await answer.json()).issues.map(({ id }) => id));
          here = (id) => known.has(id) || row(id);
        }
      } catch { /* then it is announced without being asked for */ }
      note(ids.filter(here), fresh.filter(here));
      await new Promise((done) => { setTimeout(done, 2_000); });
    }
    asking = false;
  };
  const heard = ({ ids = [], created: fresh = [] }) => {
    if (page === "issue") {
      if ([...ids, ...fresh].includes(shown)) say("This issue changed", "reload");
    } else if (page === "issues" && isFiltered) {
      for (const id of ids) unsure.ids.add(id);
      for (const id of fresh) unsure.created.add(id);
      if (!asking) ask();
    } else {
      note(ids, fresh);
    }
  };
  const note = (ids, fresh) => {
    for (const id of fresh) created.add(id);
    for (const id of ids) if (!created.has(id)) changed.add(id);
    for (const id of changed) row(id)?.setAttribute("data-changed", "");
    const all = created.size + changed.size;
    if (!all) return;
    const issues = (n, what) => `${n} ${what}issue${n === 1 ? "" : "s"}`;
    if (!changed.size) say(issues(created.size, "new "), "show");
    else if (!created.size) say(`${issues(changed.size, "")} changed`, "show");
    else say(`${issues(created.size, "new ")}, ${changed.size} changed`, "show");
    document.title = `(${all}) ${title}`;
    $("link[rel=icon]").href = "/assets/favicon-unread.svg";
  };
  live.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    location.reload();
  });

  let stream = null, channel = null, release = null, retry = 0;
  const open = () => {
    if (stream) return;
    stream = new EventSource("/api/v1/stream");
    stream.addEventListener("issues", (event) => {
      let news;
      try { news = JSON.parse(event.data); } catch { return; }
      heard(news);
      channel?.postMessage(news);
    });
    // The browser comes back by itself after a lost connection, but not after a refusal.
    stream.addEventListener("error", () => {
      if (stream?.readyState !== EventSource.CLOSED) return;
      stream = null;
      retry = setTimeout(open, 15_000);
    });
  };
  const close = () => { clearTimeout(retry); stream?.close(); stream = null; };
  const shared = Boolean(navigator.locks && window.BroadcastChannel);
  const start = () => {
    if (!shared) { if (!document.hidden) open(); return; }
    if (channel) return;
    channel = new BroadcastChannel("issues");
    channel.addEventListener("message", (event) => heard(event.data));
    const waiting = new AbortController();
    release = () => waiting.abort();
    navigator.locks.request("issues-stream", { signal: waiting.signal }, () => {
      open();
      return new Promise((done) => { release = done; });
    }).catch(() => { /* left before it was our turn */ });
  };
  const stop = () => { close(); release?.(); channel?.close(); release = channel = null; };
  addEventListener("pageshow", start);
  addEventListener("pagehide", stop);
  if (!shared) document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pageshow", (event) => { if (event.persisted) for (const form of $$("form[data-sent]")) delete form.dataset.sent; });
})();
