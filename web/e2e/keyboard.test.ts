import type { Locator, Page } from "playwright-core";
import { expect, it } from "vitest";
import { adminKey, api, aTenant, open, send, withBrowser } from "./support";

withBrowser();

/** More steps than this nobody takes. */
const MAX_TABS = 60;

/** Goes on by Tab until it is there; on the way the focus can always be seen. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  await target.waitFor();
  for (let step = 0; step < MAX_TABS; step += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
    const invisible = await page.evaluate(() => {
      const { activeElement: at } = document;
      if (!at || at === document.body) return undefined;
      const { width, height } = at.getBoundingClientRect();
      const { boxShadow, outlineStyle, outlineWidth } = getComputedStyle(at);
      const marked = boxShadow !== "none" || (outlineStyle !== "none" && outlineWidth !== "0px");
      const underlined = getComputedStyle(at).textDecorationLine.includes("underline");
      return width > 0 && height > 0 && (marked || underlined) ? undefined : at.outerHTML.slice(0, 200);
    });
    expect(invisible, "has the focus and does not show it").toBeUndefined();
  }
  expect.unreachable("it cannot be reached by Tab");
}

it("everything is done without a mouse: log in, make a key, set a quota, look at an event, leave", async () => {
  const [tenant, name] = [aTenant("keyboard"), aTenant("typed")];
  await send([{ tenant_id: tenant, resource: "billing", feature: "invoice", quantity: 30 }]);
  const page = await open("/", { key: null });
  const { keyboard } = page;
  const dialog = page.getByRole("dialog");
  const button = (label: string, within: Page | Locator = page) =>
    within.getByRole("button", { name: label, exact: true });
  const go = async (place: string) => {
    await keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Go to" }).waitFor();
    await keyboard.type(place);
    await page.getByRole("option", { name: place }).first().waitFor();
    await keyboard.press("Enter");
    await page.getByRole("heading", { name: place, level: 1 }).waitFor();
  };

  await page.getByLabel("API key").waitFor();
  await keyboard.type(adminKey);
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "Dashboard" }).waitFor();

  await go("API keys");
  await tabTo(page, button("Create a key"));
  await keyboard.press("Enter");
  await tabTo(page, dialog.getByLabel("Name"));
  await keyboard.type(name);
  await tabTo(page, dialog.getByRole("checkbox", { name: /^read/ }));
  await keyboard.press("Space");
  await tabTo(page, button("Create", dialog));
  await keyboard.press("Enter");
  const secret = await dialog.getByLabel("The new key").inputValue();
  expect((await api("/v1/meter/aggregates", { key: secret })).status).toBe(200);
  await keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  expect(await button("Create a key").evaluate((it) => it === document.activeElement)).toBe(true);

  await go(tenant);
  await tabTo(page, button("Set a quota"));
  await keyboard.press("Enter");
  await tabTo(page, dialog.getByLabel("Feature"));
  await keyboard.type("invoice");
  await tabTo(page, dialog.getByLabel("Limit"));
  await keyboard.type("100");
  await keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  await page.getByText("30 of 100 (30.0%)").waitFor();

  await go("Events");
  await keyboard.press("/");
  await keyboard.type(tenant);
  await keyboard.press("Enter");
  await page.getByRole("cell", { name: tenant }).waitFor();
  await tabTo(page, page.getByRole("row").nth(1).getByRole("link"));
  await keyboard.press("Enter");
  await dialog.getByText("after it was received").waitFor();
  await keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });

  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await tabTo(page, button("Log out"));
  await keyboard.press("Enter");
  await page.getByLabel("API key").waitFor();
});
