// Keys of the issue page: each presses a button or goes to a control that is there anyway. They are heard before those of
// all pages, where `c` is another thing.
"use strict";
(() => {
  const issue = document.querySelector("[data-page='issue']");
  if (!issue) return;
  const $ = (selector) => issue.querySelector(selector);
  const press = (...selectors) => selectors.map($).find((button) => button)?.click();
  const focus = (selector) => {
    const control = $(selector);
    const details = control?.closest("details");
    if (details) details.open = true;
    control?.focus();
    control?.select?.();
  };
  /** Saves the triage form with one of its controls set. */
  const set = (selector, value) => {
    const control = $(selector);
    if (!control || control.value === value) return;
    control.value = value;
    control.form.requestSubmit();
  };
  const actions = {
    r: () => press(".acts [value=resolved]", ".acts [value=open]"),
    e: () => press(".acts [value=closed]", ".acts [value=open]"),
    m: () => focus("#mute-for"),
    a: () => focus("#t-assignee"),
    i: () => set("#t-assignee", issue.dataset.me),
    c: () => focus("#content"),
    1: () => set("#t-priority", "critical"),
    2: () => set("#t-priority", "high"),
    3: () => set("#t-priority", "medium"),
    4: () => set("#t-priority", "low"),
    "[": () => press("a[rel=prev]"),
    "]": () => press("a[rel=next]"),
  };
  let before = "", heard = 0;
  document.addEventListener("keydown", (event) => {
    const isSecond = before === "g" && event.timeStamp - heard < 1000;
    [before, heard] = [event.key, event.timeStamp];
    if (isSecond || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]") || event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    const action = actions[event.key];
    // A reader has none of the controls; then the key is everybody's.
    if (!action || !$(".triage") && !"[]".includes(event.key)) return;
    event.preventDefault();
    action();
  }, { capture: true });

  const copy = $("[data-copy-from]");
  copy?.addEventListener("click", async () => {
    const label = copy.querySelector("span");
    try {
      const answer = await fetch(copy.dataset.copyFrom);
      await navigator.clipboard.writeText(await answer.text());
      label.textContent = "Copied";
    } catch {
      location.href = copy.dataset.copyFrom;
    }
    setTimeout(() => { label.textContent = "Copy"; }, 1500);
  });
})();
