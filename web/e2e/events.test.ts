import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { aTenant, open, send, settled, url, withBrowser } from "./support";

withBrowser();

describe("the events explorer", () => {
  it("pages through everything, each event once", async () => {
    const tenant = aTenant("many");
    const start = Date.now() - 3_600_000;
    await send(
      Array.from({ length: 450 }, (_, n) => ({
        tenant_id: tenant,
        resource: "billing",
        feature: `f_${n}`,
        timestamp: new Date(start + n * 1000).toISOString(),
      })),
    );
    const page = await open(`/events?tenant=${tenant}`);
    const table = page.getByRole("region", { name: "Events, newest first" });
    await table.getByRole("cell", { name: "f_449", exact: true }).waitFor();
    await expect
      .poll(async () => {
        await table.evaluate((box) => box.scrollTo(0, box.scrollHeight));
        return table.getByText("All 450 events of this range").count();
      })
      .toBe(1);
    await table.getByRole("cell", { name: "f_0", exact: true }).waitFor();
    expect(await table.getByRole("row").count(), "rows out of sight are not in the document").toBeLessThan(
      100,
    );
  });

  it("opens an event by keyboard, shows what it holds as text, and closes", async () => {
    const tenant = aTenant("script");
    const evil = '<script>alert("owned")</script><img src=x onerror=alert(1)>';
    await send([
      {
        tenant_id: tenant,
        resource: "billing",
        feature: "invoice",
        metadata: { note: evil, "<b>key</b>": { deep: [1, { big: 1 }] } },
      },
    ]);
    const page = await open(`/events?tenant=${tenant}`);
    await page.getByRole("cell", { name: "<script>alert(" }).waitFor();
    await page.getByRole("row").nth(1).getByRole("link").focus();
    await page.keyboard.press("Enter");
    const sheet = page.getByRole("dialog");
    await sheet.getByText(JSON.stringify(evil)).waitFor();
    await sheet.getByText("<b>key</b>:").waitFor();
    expect(
      await page.locator("img[src=x], [data-slot=sheet-content] script, [data-slot=sheet-content] b").count(),
    ).toBe(0);
    await sheet.getByText(/after it was received/).waitFor();
    await sheet.getByRole("searchbox").fill("deep");
    await sheet.getByText("deep:").waitFor();
    expect(new URL(page.url()).searchParams.get("of")).toBe(tenant);
    await page.reload();
    await sheet.getByText("<b>key</b>:").waitFor();
    await page.keyboard.press("Escape");
    await sheet.waitFor({ state: "detached" });
    expect(new URL(page.url()).searchParams.has("open")).toBe(false);
  });

  it("filters by metadata and remembers the columns in the URL", async () => {
    const tenant = aTenant("columns");
    const event = { tenant_id: tenant, resource: "billing" };
    await send([
      { ...event, feature: "wanted", metadata: { plan: "pro" } },
      { ...event, feature: "unwanted", metadata: { plan: "free" } },
    ]);
    const page = await open(`/events?tenant=${tenant}`);
    await page.getByRole("cell", { name: "unwanted" }).waitFor();
    await page.getByLabel("Metadata, as key=value").fill("plan=pro");
    await page.keyboard.press("Enter");
    await page.getByRole("cell", { name: "unwanted" }).waitFor({ state: "detached" });
    await page.getByRole("cell", { name: "wanted", exact: true }).waitFor();
    await page.getByRole("button", { name: "Columns" }).click();
    await page.getByRole("menuitemcheckbox", { name: "Id" }).click();
    await page.getByRole("menuitemcheckbox", { name: "Resource" }).click();
    await page.keyboard.press("Escape");
    await page.getByRole("columnheader", { name: "Id" }).waitFor();
    await page.getByRole("columnheader", { name: "Resource" }).waitFor({ state: "detached" });
    await page.reload();
    await page.getByRole("columnheader", { name: "Id" }).waitFor();
    expect(await page.getByRole("columnheader", { name: "Resource" }).count()).toBe(0);
  });
});

describe("getting started", () => {
  it("turns green when the first event of the snippet arrives", async () => {
    const page = await open("/start");
    await page.getByText("Waiting for events…").waitFor();
    await page.getByRole("button", { name: "Create an ingest key" }).click();
    const key = await page.getByLabel("The new key").inputValue();
    const snippet = page.getByLabel("a first event with curl", { exact: true });
    await snippet.getByText(`METERD_API_KEY=${key}`).waitFor();
    await snippet.getByText(`${url}/v1/meter/events`).waitFor();
    // The page has looked once before it can tell what is new.
    await settled(page);
    const { stdout } = await promisify(execFile)("sh", ["-c", (await snippet.textContent()) ?? ""]);
    expect(JSON.parse(stdout)).toMatchObject({ accepted: 1 });
    const arrived = page.getByText(/Here it is, [\d.]+ s after it was received/);
    await arrived.waitFor();
    console.log(`getting started: ${await arrived.textContent()}`);
    await page.getByRole("link", { name: "Look at it" }).click();
    await page.getByRole("dialog").getByText("org_001").waitFor();
  });
});

describe("tenants", () => {
  it("are ranked, found, sorted, and opened by keyboard alone", async () => {
    const name = aTenant("ranked");
    const [large, small] = [`${name}-large`, `${name}-small`];
    await send([
      { tenant_id: large, resource: "billing", feature: "invoice", quantity: 9_000 },
      { tenant_id: small, resource: "billing", feature: "invoice", quantity: 8_000 },
    ]);
    const page = await open(`/tenants?find=${name}`);
    await page.getByRole("cell", { name: large }).waitFor();
    const names = () => page.getByRole("row").getByRole("link").allTextContents();
    expect(await names()).toEqual([large, small]);
    await page.getByRole("button", { name: "Tenant", exact: true }).click();
    await page.getByRole("button", { name: "Tenant", exact: true }).click();
    await expect.poll(names).toEqual([large, small]);
    expect(new URL(page.url()).searchParams.get("sort")).toBe("tenant");
    await page.keyboard.press("/");
    await page.keyboard.press("Control+a");
    await page.keyboard.type(large);
    await page.getByRole("cell", { name: small }).waitFor({ state: "detached" });
    await page.keyboard.press("Tab");
    while (!(await page.evaluate((name) => document.activeElement?.textContent === name, large))) {
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: large, level: 1 }).waitFor();
    await page.getByRole("region", { name: "Top features" }).getByText("invoice").waitFor();
    await page.getByRole("region", { name: "Usage by day" }).getByRole("cell", { name: "9,000" }).waitFor();
  });

  it("are found from anywhere by the palette", async () => {
    const tenant = aTenant("palette");
    await send([{ tenant_id: tenant, resource: "billing", feature: "invoice", quantity: 7_000 }]);
    const page = await open("/events");
    await settled(page);
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Go to" }).fill(tenant);
    await page.getByRole("option", { name: tenant }).waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: tenant, level: 1 }).waitFor();
    await page.keyboard.press("d");
    await expect.poll(() => new URL(page.url()).searchParams.get("range")).toBe("24h");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  });
});
