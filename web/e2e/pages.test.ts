import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { bury } from "./bury";
import { adminKey, aTenant, open, send, settled, url, violations, withBrowser } from "./support";

withBrowser();

const LONG = `tenant-${"with-a-name-of-the-greatest-length-".repeat(3)}`;
const PAGES = [
  "/",
  "/?range=90d&tenant=nobody",
  "/tenants",
  `/tenants/${LONG}`,
  "/tenants?by=name",
  "/events",
  "/dead-letters",
  "/keys",
  "/start",
];

/** What opens over a page. */
const OVER: { path: string; open: (page: Page) => Promise<void> }[] = [
  {
    path: "/",
    open: async (page) => {
      await page.getByRole("button", { name: "Time range and zone" }).click();
      await page.getByRole("textbox", { name: "From" }).waitFor();
    },
  },
  {
    path: "/?range=24h",
    open: async (page) => {
      await page.getByRole("button", { name: "Where the total comes from" }).click();
      await page.getByRole("link", { name: "Show the events" }).waitFor();
    },
  },
  {
    path: "/tenants",
    open: async (page) => {
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox", { name: "Go to" }).waitFor();
    },
  },
  {
    path: "/start",
    open: async (page) => {
      await page.keyboard.press("?");
      await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    },
  },
  {
    path: `/tenants/${LONG}`,
    open: (page) => page.getByRole("button", { name: "Set a quota" }).click(),
  },
  {
    path: `/events?tenant=${LONG}`,
    open: async (page) => {
      await page.getByRole("row").nth(1).getByRole("link").click();
      await page.getByText("after it was received").waitFor();
    },
  },
  {
    path: "/dead-letters",
    open: async (page) => {
      await page.getByRole("row").nth(1).getByRole("link").click();
      await page.getByRole("button", { name: "Discard" }).waitFor();
    },
  },
  {
    path: "/keys",
    open: (page) => page.getByRole("button", { name: "Create a key" }).click(),
  },
];

async function seeded(): Promise<void> {
  await send([
    {
      tenant_id: LONG,
      resource: "r".repeat(128),
      feature: "f".repeat(128),
      metadata: { text: "long ".repeat(200) },
    },
    { tenant_id: aTenant("page"), resource: "billing", feature: "invoice" },
  ]);
  await bury(aTenant("page"));
}

describe.each(["light", "dark"] as const)("in %s colours", (colorScheme) => {
  it.each(PAGES)("%s has no barrier that axe knows", async (path) => {
    await seeded();
    const page = await open(path, { colorScheme });
    await settled(page);
    expect(await violations(page)).toEqual([]);
  });

  it("neither has the login", async () => {
    const page = await open("/login", { key: null, colorScheme });
    await page.getByLabel("API key").waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it("neither has what opens over a page", async () => {
    await seeded();
    const page = await open("/", { colorScheme });
    for (const over of OVER) {
      await page.goto(over.path);
      await settled(page);
      await over.open(page);
      expect(await violations(page), over.path).toEqual([]);
    }
  });
});

it("every page fits a screen of 360 pixels, and so does what opens over it", async () => {
  await seeded();
  const page = await open("/", { viewport: { width: 360, height: 740 } });
  const sideways = () => page.evaluate(() => document.documentElement.scrollWidth);
  for (const path of PAGES) {
    await page.goto(path);
    await settled(page);
    expect(await sideways(), `${path} scrolls sideways`).toBeLessThanOrEqual(360);
  }
  for (const over of OVER) {
    await page.goto(over.path);
    await settled(page);
    await over.open(page);
    const dialog = page.locator("[role=dialog]").last();
    const edges = () =>
      dialog.evaluate((it) => it.getBoundingClientRect()).then((box) => [box.left, box.right]);
    // Some slide in.
    await expect.poll(async () => (await edges())[1], { message: over.path }).toBeLessThanOrEqual(360);
    expect((await edges())[0], over.path).toBeGreaterThanOrEqual(0);
  }
  await page.goto("/");
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("dialog").getByRole("link", { name: "Events" }).click();
  await page.getByRole("heading", { name: "Events" }).waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("API key").waitFor();
  expect(await sideways(), "the login scrolls sideways").toBeLessThanOrEqual(360);
});

describe("what serves the pages", () => {
  const get = (path: string, headers: Record<string, string> = {}) => fetch(url + path, { headers });
  const html = { Accept: "text/html,*/*;q=0.8" };

  it("lets nothing from elsewhere run, and caches what cannot change", async () => {
    const page = await get("/", html);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'self'");
    expect(page.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(page.headers.get("cache-control")).toBe("no-cache");
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(await page.text())?.[1] ?? "";
    const asset = await get(script, { "Accept-Encoding": "gzip" });
    expect(asset.headers.get("content-type")).toContain("text/javascript");
    expect(asset.headers.get("content-encoding")).toBe("gzip");
    expect(asset.headers.get("cache-control")).toContain("immutable");
    const again = await get("/", { ...html, "If-None-Match": page.headers.get("etag") ?? "" });
    expect(again.status).toBe(304);
  });

  it("answers pages to browsers and problems to programs", async () => {
    expect((await get("/tenants/a.b", html)).status).toBe(200);
    for (const [path, headers] of [
      ["/v1/nothing", html],
      ["/openapi", {}],
      ["/assets/gone.js", {}],
    ] as const) {
      const answer = await get(path, headers);
      expect(answer.status, path).toBe(404);
      expect(answer.headers.get("content-type"), path).toContain("application/problem+json");
    }
    const post = await fetch(`${url}/events`, {
      method: "POST",
      headers: { Authorization: `Bearer ${adminKey}` },
    });
    expect(post.status).toBe(404);
  });
});
