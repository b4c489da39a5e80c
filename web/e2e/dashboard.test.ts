import { describe, expect, it } from "vitest";
import { adminKey, api, aTenant, open, send, settled, violations, withBrowser } from "./support";

withBrowser();

const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

describe("the login", () => {
  it("tries the key, keeps it in the tab only, and forgets it on leaving", async () => {
    const page = await open("/?range=24h", { key: null });
    const field = page.getByLabel("API key");
    await field.fill(`${adminKey.slice(0, -4)}0000`);
    await page.keyboard.press("Enter");
    await page.getByText("This key is not valid").waitFor();
    await field.fill(adminKey);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Dashboard" }).waitFor();
    expect(new URL(page.url()).searchParams.get("range"), "the page that was asked for").toBe("24h");
    expect(page.url()).not.toContain(adminKey);
    expect(await page.evaluate(() => JSON.stringify(localStorage))).not.toContain("mk_");
    await page.reload();
    await page.getByRole("heading", { name: "Dashboard" }).waitFor();
    await page.getByRole("button", { name: "Log out" }).first().click();
    await page.getByLabel("API key").waitFor();
    expect(await page.evaluate(() => sessionStorage.getItem("meterd-key"))).toBeNull();
  });

  it("leads nowhere else", async () => {
    const page = await open("/login?next=//example.org/", { key: null });
    await page.getByLabel("API key").fill(adminKey);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Dashboard" }).waitFor();
  });
});

describe("the dashboard", () => {
  it("shows exactly what the API says, beyond 2^53 too", async () => {
    const tenant = aTenant("huge");
    const event = { tenant_id: tenant, resource: "vault", feature: "coins", timestamp: ago(30) };
    const events = Array.from({ length: 10_000 }, () => ({ ...event, quantity: 1_000_000_000_000 }));
    await send([...events.slice(0, 9_999), { ...event, quantity: 7 }]);
    const exact = /"totals":\{"total_quantity":(\d+)/.exec(
      (await api(`/v1/meter/aggregates?window=none&tenant_id=${tenant}`)).text,
    )?.[1];
    expect(exact).toBe("9999000000000007");
    const page = await open(`/?tenant=${tenant}&range=24h`);
    await page.getByLabel("Total usage").getByTitle("9,999,000,000,000,007").waitFor();
    await page.getByLabel("Events", { exact: true }).getByText("10,000", { exact: true }).waitFor();
    const resources = page.getByRole("region", { name: "Top resources" });
    await resources.getByText("9,999,000,000,000,007").waitFor();
    await resources.getByText("100.0%").waitFor();
    await page.getByRole("button", { name: "As table" }).click();
    await page.getByRole("cell", { name: "9,999,000,000,000,007" }).waitFor();
  });

  it("ranks by name and by a key of the metadata, and tells what all others add up to", async () => {
    const tenant = aTenant("ranked");
    const event = { tenant_id: tenant, resource: "billing", timestamp: ago(30) };
    await send([
      ...Array.from({ length: 10 }, (_, n) => ({
        ...event,
        feature: `f_${n}`,
        quantity: 100 - n,
        metadata: { plan: `p_${n}` },
      })),
      { ...event, feature: "f_0", quantity: 1_000 },
    ]);
    const page = await open(`/?tenant=${tenant}&range=24h`);
    const rows = (title: string) => page.getByRole("region", { name: title }).getByRole("listitem");
    const features = rows("Top features");
    await features.first().getByText("1,100").waitFor();
    expect(await features.last().textContent()).toContain("All other features183");
    await page.getByLabel("Key of the metadata").fill("plan");
    await page.keyboard.press("Enter");
    const plans = rows("By metadata");
    await plans.first().getByText("Without plan").waitFor();
    expect(await plans.last().textContent()).toContain("All other values");
    expect(new URL(page.url()).searchParams.get("by")).toBe("plan");
    expect(await violations(page)).toEqual([]);
    await plans.getByRole("link", { name: "p_3" }).click();
    await page.getByText("One event of this range").waitFor();
  });

  it("compares with the period before", async () => {
    const tenant = aTenant("grown");
    const event = { tenant_id: tenant, resource: "billing", feature: "invoice" };
    await send([
      { ...event, quantity: 150, timestamp: ago(60) },
      { ...event, quantity: 100, timestamp: ago(60 + 24 * 60) },
    ]);
    const page = await open(`/?tenant=${tenant}&range=24h`);
    await page.getByLabel("Total usage").getByText("+50.0%").waitFor();
  });

  it("keeps filters, range and zone over reload, another page and the back button", async () => {
    const tenant = aTenant("kept");
    await send([{ tenant_id: tenant, resource: "billing", feature: "invoice", timestamp: ago(5) }]);
    const page = await open("/");
    await page
      .getByRole("searchbox", { name: "Tenant" })
      .or(page.getByRole("combobox", { name: "Tenant" }))
      .fill(tenant);
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Time range and zone" }).click();
    await page.getByRole("button", { name: "Last 24 hours" }).click();
    await page.getByRole("button", { name: "Time range and zone" }).click();
    await page.getByLabel("Zone", { exact: true }).selectOption("Asia/Tokyo");
    const wanted = `range=24h&tenant=${tenant}&tz=Asia/Tokyo`.split("&").sort();
    const query = () => page.url().split("?")[1]?.split("&").sort();
    await expect.poll(query).toEqual(wanted);
    await page.reload();
    await page.getByLabel("Events", { exact: true }).getByText("1", { exact: true }).waitFor();
    expect(query()).toEqual(wanted);
    await page.getByRole("link", { name: "Tenants" }).click();
    await expect.poll(query).toEqual(["range=24h", "tz=Asia/Tokyo"]);
    await page.goBack();
    await expect.poll(query).toEqual(wanted);
    await page.goBack();
    await expect.poll(query).toEqual(["range=24h", `tenant=${tenant}`].sort());
  });

  it("takes a range of one's own, by the clock of the zone", async () => {
    const page = await open("/?tz=Asia/Kolkata");
    await page.getByRole("button", { name: "Time range and zone" }).click();
    await page.getByRole("textbox", { name: "From" }).fill("2026-01-10T00:00");
    await page.getByLabel("To", { exact: true }).fill("2026-01-09T00:00");
    await page.getByRole("button", { name: "Show this range" }).click();
    await page.getByText("The end must be after the start.").waitFor();
    await page.getByLabel("To", { exact: true }).fill("2026-01-12T00:00");
    await page.getByRole("button", { name: "Show this range" }).click();
    const bound = (name: string) => new URL(page.url()).searchParams.get(name);
    await expect.poll(() => bound("from")).toBe("2026-01-09T18:30:00.000Z");
    expect(bound("to")).toBe("2026-01-11T18:30:00.000Z");
    await page.getByText("No usage in this range").first().waitFor();
  });

  it("explains a number by the request that answers it and the events behind it", async () => {
    const tenant = aTenant("explained");
    await send([{ tenant_id: tenant, resource: "billing", feature: "invoice", timestamp: ago(5) }]);
    const page = await open(`/?tenant=${tenant}`);
    await page.getByRole("button", { name: "Where the total comes from" }).click();
    const curl = page.getByLabel("the request with curl", { exact: true });
    await curl.getByText(`tenant_id=${tenant}`).waitFor();
    expect(await curl.textContent()).not.toContain(adminKey);
    await page.getByRole("link", { name: "Show the events" }).click();
    await page.getByText("One event of this range").waitFor();
  });

  it("says what is wrong, and that meterd is away, and comes back", async () => {
    const page = await open("/?tenant=-not-a-name");
    await page.getByRole("alert").first().getByText("`tenant_id` must be").waitFor();
    await page.getByRole("button", { name: "Clear" }).click();
    await settled(page);
    await page.context().setOffline(true);
    await page.getByText("meterd does not answer. What is shown may be old").waitFor();
    await page.getByLabel("Total usage").waitFor();
    await page.context().setOffline(false);
    await page.getByText("meterd does not answer. What is shown may be old").waitFor({ state: "detached" });
  });
});
