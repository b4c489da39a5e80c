import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { aTenant, open, send, withBrowser } from "./support";

withBrowser();

it("200 tenants and more are listed by name, a page at a time, and searched on the server", async () => {
  const prefix = aTenant("crowd");
  const name = (n: number) => `${prefix}-${String(n).padStart(3, "0")}`;
  const event = { resource: "billing", feature: "invoice" };
  await send(Array.from({ length: 230 }, (_, n) => ({ ...event, tenant_id: name(n), quantity: n })));
  const page = await open(`/tenants?by=name&find=${prefix.toUpperCase()}`);
  const table = page.getByRole("region", { name: "Tenants by name" });
  await table.getByRole("cell", { name: name(0) }).waitFor();
  await expect
    .poll(async () => {
      await table.evaluate((box) => box.scrollTo(0, box.scrollHeight));
      return table.getByText("All 230 tenants").count();
    })
    .toBe(1);
  await page.getByRole("searchbox", { name: "Find a tenant" }).fill(name(229));
  await table.getByText("One tenant").waitFor();
  await table
    .getByRole("row", { name: name(229) })
    .getByRole("cell", { name: "229", exact: true })
    .waitFor();
  await page.reload();
  await table.getByText("One tenant").waitFor();
  await table.getByRole("link").click();
  await page.getByRole("heading", { name: name(229), level: 1 }).waitFor();
});

it("events and sums are saved as files, as they are filtered", async () => {
  const tenant = aTenant("export");
  const event = { tenant_id: tenant, resource: "billing" };
  await send([
    ...Array.from({ length: 120 }, () => ({ ...event, feature: "wanted", quantity: 2 })),
    { ...event, feature: "unwanted", quantity: 1 },
  ]);
  const saved = async (button: string, format: string) => {
    await page.getByRole("button", { name: button }).click();
    const download = page.waitForEvent("download");
    await page.getByRole("menuitem", { name: `As ${format}` }).click();
    const file = await download;
    return {
      name: file.suggestedFilename(),
      lines: (await readFile(await file.path(), "utf8")).trim().split(/\r?\n/),
    };
  };
  const page = await open(`/events?tenant=${tenant}&feature=wanted&columns=feature,quantity`);
  await page.getByRole("cell", { name: "wanted" }).first().waitFor();
  const csv = await saved("Export these events", "CSV");
  expect(csv.name).toBe("meterd-events.csv");
  expect(csv.lines[0]).toBe("timestamp,feature,quantity");
  expect(csv.lines.length, "all of them, not the page").toBe(121);
  const ndjson = await saved("Export these events", "NDJSON");
  expect(ndjson.lines.length).toBe(120);
  expect(JSON.parse(ndjson.lines[0] ?? "")).toMatchObject({ feature: "wanted", quantity: 2 });

  await page.goto(`/tenants/${tenant}`);
  const days = await saved("Export the daily breakdown", "CSV");
  expect(days.name).toBe("meterd-aggregates.csv");
  expect(days.lines.length).toBe(2);
  expect(days.lines[1]).toContain("241");
});
