import { expect, it } from "vitest";
import { api, aTenant, open, withBrowser } from "./support";

withBrowser();

const REFUSED_WITHIN_MS = 5_000;

it("a key is made, used, deleted, and refused from then on", async () => {
  const [name, tenant] = [aTenant("key"), aTenant("bound")];
  const page = await open("/keys");
  await page.getByRole("button", { name: "Create a key" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByRole("checkbox", { name: /^read/ }).check();
  await dialog.getByLabel("Only for the tenant").fill(tenant);
  await dialog.getByRole("button", { name: "Create" }).click();
  const secret = await dialog.getByLabel("The new key").inputValue();
  expect(secret).toMatch(/^mk_/);
  await dialog.getByRole("button", { name: "Done" }).click();
  expect(await page.content()).not.toContain(secret);

  const event = { tenant_id: tenant, resource: "billing", feature: "invoice", quantity: 1 };
  const use = async () =>
    (await api("/v1/meter/events", { method: "POST", key: secret, body: event })).status;
  await expect.poll(use).toBe(202);

  const row = page.getByRole("row", { name });
  await row.getByText(tenant).waitFor();
  await row.getByRole("button", { name: `Delete the key ${name}` }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await row.waitFor({ state: "detached" });
  const deleted = performance.now();
  await expect.poll(use).toBe(401);
  const ms = performance.now() - deleted;
  console.log(`key deleted → refused: ${Math.round(ms)} ms`);
  expect(ms).toBeLessThan(REFUSED_WITHIN_MS);
});

it("says what is wrong with a key, and who may not make one", async () => {
  const page = await open("/keys");
  await page.getByRole("button", { name: "Create a key" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(aTenant("wrong"));
  await dialog.getByLabel("Only for the tenant").fill("no spaces allowed");
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.getByRole("alert").getByText("`tenant_id` must be").waitFor();

  const body = { name: aTenant("reader"), scopes: ["read"] };
  const reader = await api("/v1/meter/keys", { method: "POST", body });
  const theirs = await open("/keys", { key: reader.body.secret });
  await theirs.getByRole("alert").getByText("this key lacks the scope `admin`").waitFor();
});
