// What keys do to the issues of the list, the palette, and completion in the search box. It only presses what is on the page.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const remembered = { get(key) { try { return sessionStorage.getItem(key); } catch { return null; } }, set(key, value) { try { sessionStorage.setItem(key, value); } catch { /* private mode */ } } };
  const isTyping = (target) => target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable], dialog");

  // Rows: the selected ones, or the one in focus.
  const bulk = $("#bulk");
  const boxes = $$(".c-kind input");
  const focused = () => document.activeElement?.closest?.("tr[data-id]");
  const count = () => {
    const checked = boxes.filter((box) => box.checked).length;
    const output = $(".bulk-count");
    if (output) output.textContent = checked ? `${checked} selected` : "";
  };
  let last = null;
  for (const box of boxes) {
    box.addEventListener("click", (event) => {
      // With Shift, all from the one that was ticked before.
      if (event.shiftKey && last) {
        const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
        for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
      }
      last = box;
      count();
    });
  }
  addEventListener("pageshow", count);
  const selectRow = () => {
    const box = focused() && $("input[type=checkbox]", focused());
    if (!box) return false;
    box.checked = !box.checked;
    count();
    return true;
  };
  // What is next when the page is back: the first row after it that stays, so that j and k go on from there.
  bulk?.addEventListener("submit", () => {
    const rows = $$("tr[data-id]", bulk);
    const changed = rows.filter((row) => $("input[type=checkbox]", row)?.checked);
    const after = rows.slice(rows.indexOf(changed.at(-1)) + 1)[0] ?? rows.findLast((row) => !changed.includes(row));
    if (focused() && after) remembered.set("focus", JSON.stringify([focused().dataset.id, after.dataset.id]));
  });
  const toFocus = remembered.get("focus");
  if (bulk && toFocus) {
    remembered.set("focus", "");
    const row = JSON.parse(toFocus).map((id) => $(`tr[data-id="${CSS.escape(id)}"]`)).find(Boolean);
    $(".title", row ?? bulk)?.focus();
  }
  const act = (name) => {
    const button = $(`#bulk button[value="${name}"]`);
    if (!button) return false;
    const row = focused();
    if (!boxes.some((box) => box.checked)) {
      if (!row) return false;
      $("input[type=checkbox]", row).checked = true;
      count();
    }
    if (name.endsWith(":?")) $("input[name=person]").focus();
    else bulk.requestSubmit(button);
    return true;
  };

  const triage = $("form.triage");
  const set = (selector, value) => {
    $(selector, triage).value = value;
    triage.requestSubmit();
  };
  const PRIORITIES = ["critical", "high", "medium", "low"];
  const priority = (value) => {
    const select = $("#bulk select[name=priority]");
    if (select) select.value = value;
    const button = $("#bulk button[value='priority:?']");
    if (!button) return false;
    if (!boxes.some((box) => box.checked)) {
      if (!focused()) return false;
      $("input[type=checkbox]", focused()).checked = true;
    }
    bulk.requestSubmit(button);
    return true;
  };
  const actions = {
    x: selectRow,
    r: () => act("status:resolved"),
    e: () => act("status:closed"),
    m: () => act("mute:forever"),
    a: () => act("assignee:?"),
    i: () => act("assignee:me"),
    z: () => { const undo = $(".done button"); undo?.click(); return Boolean(undo); },
  };
  PRIORITIES.forEach((value, at) => { actions[at + 1] = () => priority(value); });

  let afterG = -Infinity;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openPalette();
      return;
    }
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target) || $("dialog[open]")) return;
    if (event.key === "Escape" && boxes.some((box) => box.checked)) {
      for (const box of boxes) box.checked = false;
      count();
    }
    // "g i" is a way, not two keys.
    const isSecond = event.timeStamp - afterG < 1000;
    afterG = event.key === "g" ? event.timeStamp : -Infinity;
    if (!isSecond && actions[event.key]?.()) event.preventDefault();
  });

  // The palette: everything that can be pressed here, found by its name.
  const palette = $("#palette");
  const wish = $("#palette input"), offers = $("#palette ul");
  let shown = [];
  const commands = () => {
    const texts = (element) => element.textContent.replace(/\s+/g, " ").trim();
    const links = $$(".top nav a, #new, .tabs a").map((link) => ({ text: `${link.closest(".tabs") ? "Show: " : "Go to: "}${texts(link)}`, run: () => link.click() }));
    const changes = $$("#bulk .bulk > button").filter((button) => !button.value.endsWith(":?"))
      .map((button) => ({ text: texts(button), run: () => act(button.value) }));
    const priorities = PRIORITIES.map((value) => ({ text: `Priority: ${value}`, run: () => (triage ? set("#t-priority", value) : priority(value)) }));
    const statuses = triage ? $$("#t-status option").map((option) => ({ text: `Status: ${texts(option)}`, run: () => set("#t-status", option.value) })) : [];
    const choices = $$("form.filters select").flatMap((select) => $$("option", select).filter((option) => option.value)
      .map((option) => ({ text: `${select.closest("label")?.textContent ? select.name[0].toUpperCase() + select.name.slice(1) : ""}: ${texts(option)}`, run: () => { select.value = option.value; select.form.requestSubmit(); } })));
    const usable = boxes.some((box) => box.checked) || before?.closest?.("tr[data-id]") ? changes : [];
    return [...usable, ...(usable.length || triage ? priorities : []), ...statuses, ...links, ...choices, { text: "Keyboard shortcuts", run: () => $("#keys").showModal() }];
  };
  let before = null;
  const offer = () => {
    const words = wish.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = commands().filter((command) => words.every((word) => command.text.toLowerCase().includes(word))).slice(0, 12);
    if (wish.value.trim()) shown.push({ text: `Search for ${wish.value.trim()}`, run: () => { location.href = `/issues?q=${encodeURIComponent(wish.value.trim())}`; } });
    offers.replaceChildren(...shown.map((command, at) => {
      const item = document.createElement("li");
      item.id = `offer-${at}`;
      item.role = "option";
      item.textContent = command.text;
      item.addEventListener("click", () => run(at));
      return item;
    }));
    mark(0);
  };
  let marked = 0;
  const mark = (at) => {
    marked = Math.max(0, Math.min(shown.length - 1, at));
    for (const [nth, item] of [...offers.children].entries()) item.ariaSelected = String(nth === marked);
    wish.setAttribute("aria-activedescendant", shown.length ? `offer-${marked}` : "");
    offers.children[marked]?.scrollIntoView({ block: "nearest" });
  };
  const run = (at) => {
    palette.close();
    before?.focus?.();
    shown[at]?.run();
  };
  const openPalette = () => {
    if (!palette || palette.open) return;
    before = document.activeElement;
    wish.value = "";
    palette.showModal();
    offer();
  };
  wish?.addEventListener("input", offer);
  wish?.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") mark(marked + (event.key === "ArrowDown" ? 1 : -1));
    else if (event.key === "Enter") run(marked);
    else return;
    event.preventDefault();
  });
  palette?.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });

  // Completion: keys, then their values, of the word at the caret.
  const box = $("#q"), list = $("#q-list");
  if (!box || !list) return;
  let asked = 0, timer = 0, chosen = -1, word = [0, 0];
  const wordAt = () => {
    const at = box.selectionStart;
    for (const { index, 0: found } of box.value.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)) {
      if (index <= at && at <= index + found.length) return [index, index + found.length];
    }
    return [at, at];
  };
  const hide = () => {
    clearTimeout(timer);
    asked += 1;
    chosen = -1;
    list.hidden = true;
    box.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
  };
  const take = (text) => {
    const done = !text.endsWith(":");
    box.setRangeText(done ? `${text} ` : text, ...word, "end");
    hide();
    if (!done) ask();
  };
  const choose = (at) => {
    const items = [...list.children];
    chosen = (at + items.length + 1) % (items.length + 1);
    for (const [nth, item] of items.entries()) item.ariaSelected = String(nth === chosen);
    if (chosen < items.length) box.setAttribute("aria-activedescendant", items[chosen].id);
    else { chosen = -1; box.removeAttribute("aria-activedescendant"); }
    items[chosen]?.scrollIntoView({ block: "nearest" });
  };
  const ask = async () => {
    word = wordAt();
    const text = box.value.slice(...word);
    const mine = ++asked;
    let completions = [];
    try {
      completions = (await (await fetch(`/api/v1/issues/complete?q=${encodeURIComponent(text)}`)).json()).completions ?? [];
    } catch { /* it is only help */ }
    if (mine !== asked || document.activeElement !== box) return;
    completions = completions.filter((completion) => completion !== text);
    if (!text || !completions.length) { hide(); return; }
    list.replaceChildren(...completions.map((completion, nth) => {
      const item = document.createElement("li");
      item.id = `q-option-${nth}`;
      item.role = "option";
      item.ariaSelected = "false";
      item.textContent = completion;
      item.addEventListener("pointerdown", (event) => { event.preventDefault(); take(completion); });
      return item;
    }));
    chosen = -1;
    list.hidden = false;
    box.setAttribute("aria-expanded", "true");
  };
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "false"], ["aria-controls", "q-list"], ["aria-autocomplete", "list"]]) box.setAttribute(name, value);
  box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 60); });
  box.addEventListener("blur", hide);
  box.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen < 0 ? list.children.length - 1 : chosen - 1);
    else if (event.key === "Tab" || (event.key === "Enter" && chosen >= 0)) take(list.children[Math.max(0, chosen)].textContent);
    else if (event.key === "Escape") { event.stopPropagation(); hide(); } else return;
    event.preventDefault();
  });
})();
