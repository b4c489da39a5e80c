import { randomUUID } from "node:crypto";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import puppeteer, { type Browser } from "puppeteer-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { aTenant, CHROMIUM, logIn, send, settled, url } from "./support";

/** Connections that a browser has to one host, for all of its tabs. */
const CONNECTIONS = 6;

// Playwright makes every tab believe that it is seen, except in a browser that somebody else has started.
let browser: Browser;
let tabs: BrowserContext;

beforeAll(async () => {
  browser = await puppeteer.launch(CHROMIUM);
  const attached = await chromium.connectOverCDP(browser.wsEndpoint(), { noDefaults: true });
  const [context] = attached.contexts();
  if (!context) throw new Error("the browser has no context");
  tabs = context;
  tabs.setDefaultTimeout(15_000);
  await logIn(tabs);
});

afterAll(() => browser.close());

const visibility = (page: Page) => page.evaluate(() => document.visibilityState);

it("tabs that nobody sees leave their connections to the one that is seen, and miss nothing", async () => {
  const tenant = aTenant("hidden");
  const arrives = (feature: string) =>
    send([{ id: randomUUID(), tenant_id: tenant, resource: "billing", feature, quantity: 1 }]);
  const first = await tabs.newPage();
  await first.goto(`${url}/events?range=1h&tenant=${tenant}`);
  await first.getByText("No events in this range").waitFor();
  await arrives("before");
  await first.getByRole("cell", { name: "before" }).waitFor();
  await first.getByRole("button", { name: "Live" }).click();
  await arrives("paused");
  await first.getByText("Paused, 1 new").waitFor();

  for (let tab = 0; tab <= CONNECTIONS; tab += 1) {
    const page = await tabs.newPage();
    await page.goto(`${url}/events`);
    await settled(page);
    await page.getByRole("cell", { name: tenant }).first().waitFor();
  }
  expect(await visibility(first)).toBe("hidden");
  await arrives("meanwhile");
  await arrives("and_more");
  let lists = 0;
  first.on("request", (request) => {
    if (new URL(request.url()).pathname === "/v1/meter/events") lists += 1;
  });
  const resumed = first.waitForRequest(
    (request) => request.url().includes("/events/stream") && "last-event-id" in request.headers(),
  );
  await first.bringToFront();
  await resumed;
  // Had one come twice, or not at all, it would be another number.
  await first.getByText("Paused, 3 new").waitFor();
  await first.getByRole("button", { name: "Live" }).click();
  for (const feature of ["before", "paused", "meanwhile", "and_more"])
    await first.getByRole("cell", { name: feature }).waitFor();
  expect(await first.getByText("All 4 events of this range").count()).toBe(1);
  expect(lists, "the stream had all of it").toBe(0);
});
