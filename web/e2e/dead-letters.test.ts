import { expect, it } from "vitest";
import { bury } from "./bury";
import { api, aTenant, open, violations, withBrowser } from "./support";

withBrowser();

it("a dead letter is read, changed, replayed and counted", async () => {
  const tenant = aTenant("dead");
  await bury(tenant);
  const page = await open("/dead-letters");
  await page.getByRole("row", { name: tenant }).getByRole("link").click();
  const sheet = page.getByRole("dialog");
  await sheet.getByText("Replay it with the field changed that").waitFor();
  expect(await violations(page)).toEqual([]);
  const quantity = sheet.getByRole("spinbutton", { name: "Quantity" });
  expect(await quantity.inputValue()).toBe("-7");
  await quantity.fill("7");
  await sheet.getByRole("button", { name: "Replay" }).click();
  await sheet.waitFor({ state: "detached" });
  await page.getByRole("row", { name: tenant }).waitFor({ state: "detached" });
  await expect
    .poll(async () => {
      const { body } = await api(`/v1/meter/aggregates?window=none&tenant_id=${tenant}`);
      return body.totals.total_quantity;
    })
    .toBe(7);
  await page.getByRole("radio", { name: "replayed" }).click();
  await page.getByRole("row", { name: tenant }).getByRole("link").click();
  await sheet.getByRole("link", { name: "Show the event" }).click();
  await page.getByRole("dialog").getByText("after it was received").waitFor();
});

it("a dead letter is discarded, and stays in the list of those", async () => {
  const tenant = aTenant("lost");
  await bury(tenant);
  const page = await open("/dead-letters");
  await page.getByRole("row", { name: tenant }).getByRole("link").click();
  await page.getByRole("button", { name: "Discard" }).click();
  await page
    .getByRole("dialog", { name: "Discard this letter?" })
    .getByRole("button", { name: "Delete" })
    .click();
  await page.getByRole("row", { name: tenant }).waitFor({ state: "detached" });
  await page.getByRole("radio", { name: "discarded" }).click();
  await page.getByRole("row", { name: tenant }).waitFor();
  expect(new URL(page.url()).searchParams.get("state")).toBe("discarded");
});
