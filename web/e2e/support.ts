import { randomUUID } from "node:crypto";
import AxeBuilder from "@axe-core/playwright";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, inject } from "vitest";

export const url = inject("url");
export const adminKey = inject("adminKey");

export const CHROMIUM = {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
};

let browser: Browser;

/** Call it once at the top of a file: its tests share one browser, each page has a context of its own. */
export function withBrowser(): void {
  beforeAll(async () => {
    browser = await chromium.launch(CHROMIUM);
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
  });
  afterAll(() => browser.close());
}

/** Makes the context's pages begin as those of someone who has logged in with `key`. */
export async function logIn(context: BrowserContext, key = adminKey): Promise<void> {
  // Once: who logs out or is thrown out stays out.
  await context.addInitScript((item) => {
    if (sessionStorage.getItem("tried") === null) sessionStorage.setItem("meterd-key", item);
    sessionStorage.setItem("tried", "yes");
  }, key);
}

/** Opens `path`; with a key, as someone who has logged in with it. */
export async function open(
  path: string,
  { key = adminKey, ...options }: BrowserContextOptions & { key?: string | null } = {},
): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    baseURL: url,
    ...options,
  });
  context.setDefaultTimeout(15_000);
  if (key !== null) await logIn(context, key);
  const page = await context.newPage();
  page.on("pageerror", (error) => expect.unreachable(`an error in the page: ${error.message}`));
  page.on("dialog", (dialog) => expect.unreachable(`a dialog: ${dialog.message()}`));
  await page.goto(path);
  return page;
}

export interface NewEvent {
  id?: string;
  tenant_id: string;
  resource: string;
  feature: string;
  quantity?: number;
  timestamp?: string;
  metadata?: unknown;
}

/** Asks the API as a program would. */
export async function api(
  path: string,
  init: { method?: string; body?: unknown; key?: string; receipt?: string } = {},
) {
  const response = await fetch(url + path, {
    method: init.method ?? "GET",
    headers: {
      Authorization: `Bearer ${init.key ?? adminKey}`,
      "Content-Type": "application/json",
      ...(init.receipt ? { "Meter-Receipt": init.receipt } : {}),
    },
    ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
  });
  const text = await response.text();
  return { status: response.status, text, body: text ? JSON.parse(text) : undefined };
}

/** Sends events and returns once they can be read. */
export async function send(events: NewEvent[]): Promise<void> {
  const body = events.map((event) => ({ id: randomUUID(), quantity: 1, ...event }));
  const answer = await api("/v1/meter/events", { method: "POST", body });
  expect(answer.status, answer.text).toBe(202);
  expect(answer.body.accepted).toBe(events.length);
  const seen = await api("/v1/meter/aggregates?window=none", { receipt: answer.body.receipt });
  expect(seen.status, seen.text).toBe(200);
}

/** A tenant that nobody else in these tests uses. */
export function aTenant(name: string): string {
  return `${name}-${randomUUID().slice(0, 8)}`;
}

export async function violations(page: Page): Promise<string[]> {
  const { violations: found } = await new AxeBuilder({ page }).analyze();
  return found.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.target.join(" ")} ${node.failureSummary}`),
  );
}

/** Waits until nothing is loading any more. */
export async function settled(page: Page): Promise<void> {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => !document.querySelector("[data-slot=skeleton]"));
}
