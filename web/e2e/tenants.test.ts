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
