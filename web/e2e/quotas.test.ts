import { expect, it } from "vitest";
import { api, aTenant, open, send, violations, withBrowser } from "./support";

withBrowser();

it("a quota that is set and edited is what validate answers by", async () => {
  const tenant = aTenant("quota");
  await send([{ tenant_id: tenant, resource: "billing", feature: "pdf_export", quantity: 78 }]);
  const ask = async () => {
    const body = { tenant_id: tenant, feature: "pdf_export", quantity: 10, mode: "check" };
    const { body: answer } = await api("/v1/meter/validate", { method: "POST", body });
    return [answer.allowed, answer.remaining, answer.limit];
  };
  const page = await open(`/tenants/${tenant}`);
  await page.getByRole("button", { name: "Set a quota" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Feature").fill("pdf_export");
  await dialog.getByLabel("Limit").fill("100");
  await dialog.getByLabel("Alert at %").fill("80");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("region", { name: "Quotas" }).getByText("78 of 100 (78.0%)").waitFor();
  expect(await ask()).toEqual([true, 22, 100]);

  await send([{ tenant_id: tenant, resource: "billing", feature: "pdf_export", quantity: 4 }]);
  await page.getByRole("region", { name: "Alerts" }).getByText("82 of 100, alert at 80%").waitFor();

  await page.getByRole("button", { name: "Edit the quota on pdf_export" }).click();
  await dialog.getByLabel("Limit").fill("80");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("region", { name: "Quotas" }).getByText("82 of 80 (102.5%)").waitFor();
  await page
    .getByRole("region", { name: "Quotas" })
    .getByText(/At this pace \d+ by then/)
    .waitFor();
  expect(await ask()).toEqual([false, 0, 80]);
  expect(await violations(page)).toEqual([]);

  await page.getByRole("button", { name: "Delete the quota on pdf_export" }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("region", { name: "Quota on pdf_export, monthly" }).waitFor({ state: "detached" });
  expect(await ask()).toEqual([true, null, null]);
});
