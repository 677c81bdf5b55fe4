// Words for what is on the dashboard's pages, so that the tests read like what a person does. No assertions here.

import { setTimeout as sleep } from "node:timers/promises";

/** Does something that leads to another page, or to the same one again; returns its response. */
export async function leadingAway(page, action) {
  const [response] = await Promise.all([page.waitForNavigation(), action()]);
  return response;
}

/** Opens the list and waits until it hears live updates. */
export async function openListening(page, path = "/issues") {
  const listening = page.waitForResponse((response) => new URL(response.url()).pathname === "/api/v1/stream");
  await page.goto(path);
  await listening;
}

/** The rows of the list with this text in them. */
export const rows = (page, hasText) => page.locator(".rows tbody tr").filter(hasText ? { hasText } : {});

/** The titles on the list, from top to bottom. */
export const titles = (page) => page.locator(".rows tbody .title").allInnerTexts();

export const banner = (page) => page.locator("#live");

/** A section of the issue page by its heading. */
export const panel = (page, heading) => page.getByRole("region", { name: heading });

/** The entries of the issue page's timeline with this text. */
export const timeline = (page, hasText) => page.locator(".timeline > li").filter(hasText ? { hasText } : {});

export const status = (page) => page.locator(".badges .status").innerText();

/** The address without its origin. */
export const path = (page) => page.url().slice(new URL(page.url()).origin.length);

/** Presses a form's button again while the first request is still under way; returns how many were sent. */
export async function pressTwice(page, button) {
  let sent = 0;
  const slowly = async (route) => {
    if (route.request().method() === "POST") {
      sent += 1;
      await sleep(600);
    }
    // A second request would have taken the place of the first.
    await route.continue().catch(() => {});
  };
  await page.route("**", slowly);
  await leadingAway(page, () => button.evaluate((element) => {
    element.click();
    setTimeout(() => element.click(), 200);
  }));
  await page.unroute("**", slowly);
  return sent;
}
