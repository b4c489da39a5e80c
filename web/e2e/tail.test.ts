import { randomUUID } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { api, aTenant, open, send, settled, url, violations, withBrowser } from "./support";

withBrowser();

const MAX_VISIBLE_MS = 3_000;

function anEvent(tenant: string, feature = "invoice") {
  return { id: randomUUID(), tenant_id: tenant, resource: "billing", feature, quantity: 3 };
}

interface Network {
  url: string;
  cut: () => Promise<void>;
  mend: () => Promise<void>;
  /** Lets nothing through to the browser, until it flows again. */
  stall: () => void;
  flow: () => void;
}

/** A network between the browser and meterd. */
async function network(): Promise<Network> {
  const meterd = new URL(url);
  const sockets = new Set<Socket>();
  const pairs = new Map<Socket, Socket>();
  const server: Server = createServer((browser) => {
    const onward = connect(Number(meterd.port), meterd.hostname);
    pairs.set(onward, browser);
    onward.on("close", () => pairs.delete(onward));
    for (const socket of [browser, onward]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    browser.pipe(onward).pipe(browser);
  });
  const listen = (port: number) => new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  await listen(0);
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    cut: () =>
      new Promise((done) => {
        server.close(() => done());
        for (const socket of sockets) socket.destroy();
      }),
    mend: () => listen(port),
    stall: () => {
      for (const [onward, browser] of pairs) onward.unpipe(browser).pause();
    },
    flow: () => {
      for (const [onward, browser] of pairs) onward.pipe(browser);
    },
  };
}

describe("the live tail", () => {
  it("shows an accepted event within three seconds, without asking again and again", async () => {
    const tenant = aTenant("fresh");
    const page = await open(`/events?range=1h&tenant=${tenant}`);
    await page.getByText("No events in this range").waitFor();
    let lists = 0;
    page.on("request", (request) => {
      if (new URL(request.url()).pathname === "/v1/meter/events") lists += 1;
    });
    const times: number[] = [];
    for (const feature of ["first", "second", "third"]) {
      const answer = await api("/v1/meter/events", { method: "POST", body: anEvent(tenant, feature) });
      const accepted = performance.now();
      expect(answer.status).toBe(202);
      await page.getByRole("cell", { name: feature }).waitFor();
      times.push(Math.round(performance.now() - accepted));
    }
    console.log(`event accepted → row visible: ${times.join(", ")} ms`);
    expect(Math.max(...times)).toBeLessThan(MAX_VISIBLE_MS);
    const features = await page
      .getByRole("row")
      .getByRole("cell", { name: /first|second|third/ })
      .allTextContents();
    expect(features).toEqual(["third", "second", "first"]);
    expect(lists, "at most the look that closes the gap before the stream").toBeLessThanOrEqual(1);
  });

  it("pauses, counts what waits, and goes on", async () => {
    const tenant = aTenant("paused");
    const page = await open(`/events?range=1h&tenant=${tenant}`);
    await page.getByText("No events in this range").waitFor();
    await send([anEvent(tenant, "before")]);
    await page.getByRole("cell", { name: "before" }).waitFor();
    await page.getByRole("button", { name: "Live" }).click();
    await send([anEvent(tenant, "meanwhile_1"), anEvent(tenant, "meanwhile_2")]);
    await page.getByText("Paused, 2 new").waitFor();
    expect(await page.getByRole("cell", { name: "meanwhile_1" }).count()).toBe(0);
    expect(await violations(page)).toEqual([]);
    await page.getByRole("button", { name: "Live" }).click();
    await page.getByRole("cell", { name: "meanwhile_1" }).waitFor();
    await page.getByRole("cell", { name: "meanwhile_2" }).waitFor();
  });

  it("moves nothing under the eyes of who has scrolled on", async () => {
    const tenant = aTenant("scrolled");
    await send(Array.from({ length: 90 }, (_, n) => anEvent(tenant, `f_${n}`)));
    const page = await open(`/events?range=1h&tenant=${tenant}`);
    const table = page.getByRole("region", { name: "Events, newest first" });
    await table.getByText("All 90 events").waitFor();
    await table.evaluate((box) => box.scrollTo(0, 600));
    await send([anEvent(tenant, "newcomer")]);
    await page.getByRole("button", { name: "1 new" }).click();
    await page.getByRole("cell", { name: "newcomer" }).waitFor();
    expect(await table.evaluate((box) => box.scrollTop)).toBe(0);
  });

  it("goes on where it was when the network comes back", async () => {
    const tenant = aTenant("cut");
    const between = await network();
    const page = await open(`/events?range=1h&tenant=${tenant}`, { baseURL: between.url });
    await page.getByText("No events in this range").waitFor();
    await send([anEvent(tenant, "before")]);
    await page.getByRole("cell", { name: "before" }).waitFor();
    await between.cut();
    await page.getByText("Reconnecting…").waitFor();
    await send([anEvent(tenant, "meanwhile")]);
    const resumed = page.waitForRequest(
      (request) => request.url().includes("/events/stream") && "last-event-id" in request.headers(),
    );
    await between.mend();
    await resumed;
    await page.getByRole("cell", { name: "meanwhile" }).waitFor();
    await page.getByText("Reconnecting…").waitFor({ state: "detached" });
    await settled(page);
    await between.cut();
  });

  it("says that it was too slow for the stream, and reads the list anew", async () => {
    const tenant = aTenant("slow");
    const between = await network();
    const page = await open(`/events?range=1h&tenant=${tenant}`, { baseURL: between.url });
    await page.getByText("No events in this range").waitFor();
    await send([anEvent(tenant, "before")]);
    await page.getByRole("cell", { name: "before" }).waitFor();
    between.stall();
    // More than the server keeps for it and all buffers on the way hold.
    const text = "x".repeat(7_000);
    for (let batch = 0; batch < 20; batch += 1) {
      await send(Array.from({ length: 200 }, () => ({ ...anEvent(tenant, "burst"), metadata: { text } })));
    }
    await send([anEvent(tenant, "last")]);
    between.flow();
    await page.getByText("This browser was too slow for the stream").waitFor();
    await page.getByRole("cell", { name: "last" }).waitFor();
    expect(await violations(page)).toEqual([]);
    await page.getByRole("button", { name: "Dismiss" }).click();
    await page.getByText("too slow").waitFor({ state: "detached" });
    await send([anEvent(tenant, "goes_on")]);
    await page.getByRole("cell", { name: "goes_on" }).waitFor();
    await between.cut();
  });
});
