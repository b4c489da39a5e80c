import type { Locator } from "playwright-core";
import { expect, it } from "vitest";
import { api, aTenant, open, violations, withBrowser } from "./support";

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

it("a key is rotated: both work, until the old one ends", async () => {
  const [name, tenant] = [aTenant("rotated"), aTenant("bound")];
  const body = { name, scopes: ["ingest"], tenant_id: tenant };
  const { body: first } = await api("/v1/meter/keys", { method: "POST", body });
  const use = async (key: string) => {
    const event = { tenant_id: tenant, resource: "billing", feature: "invoice", quantity: 1 };
    return (await api("/v1/meter/events", { method: "POST", key, body: event })).status;
  };
  const page = await open("/keys");
  const dialog = page.getByRole("dialog");
  const rotate = async (row: Locator, overlap: string) => {
    await row.getByRole("button", { name: `Rotate the key ${name}` }).click();
    await dialog.getByLabel("The old key").selectOption(overlap);
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole("button", { name: "Rotate" }).click();
    const secret = await dialog.getByLabel("The new key").inputValue();
    await dialog.getByRole("button", { name: "Done" }).click();
    expect(await page.content()).not.toContain(secret);
    return secret;
  };
  const rows = page.getByRole("row", { name });
  const second = await rotate(rows, "works for another week");
  await expect.poll(() => rows.count()).toBe(2);
  await expect.poll(() => use(second)).toBe(202);
  expect(await use(first.secret)).toBe(202);
  await rows.getByText("in 7 days").waitFor();

  const third = await rotate(rows.filter({ hasNotText: "in 7 days" }), "is refused at once");
  await rows.getByText("expired").waitFor();
  await expect.poll(() => use(third)).toBe(202);
  await expect.poll(() => use(second)).toBe(401);
  expect(await use(first.secret), "the first one has its week").toBe(202);
});

it("who rotates the key of the own session sees the new one, and goes on with it", async () => {
  const name = aTenant("own");
  const { body: own } = await api("/v1/meter/keys", { method: "POST", body: { name, scopes: ["admin"] } });
  const page = await open("/keys", { key: own.secret });
  await page.getByRole("button", { name: `Rotate the key ${name}` }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("The old key").selectOption("is refused at once");
  await dialog.getByRole("button", { name: "Rotate" }).click();
  const secret = await dialog.getByLabel("The new key").inputValue();
  const status = async (key: string) => (await api("/v1/meter/keys?limit=1", { key })).status;
  await expect.poll(() => status(own.secret)).toBe(401);
  expect(await status(secret)).toBe(200);
  await page.getByRole("row", { name, includeHidden: true }).getByText("expired").waitFor();
  expect(await dialog.getByLabel("The new key").inputValue()).toBe(secret);
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByRole("link", { name: "Tenants" }).click();
  await page.getByRole("heading", { name: "Tenants" }).waitFor();
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
