import { describe, expect, it } from "vitest";
import type { UsageEvent } from "@/api/types";
import { type Arrivals, arrive, MAX_ROWS, NONE } from "./arrivals";

function events(...numbers: number[]): UsageEvent[] {
  return numbers.map((number) => ({
    id: String(number),
    tenant_id: "acme",
    resource: "billing",
    feature: "invoice",
    quantity: 1,
    timestamp: "2026-11-24T09:00:00Z",
    metadata: {},
  }));
}

const ids = (rows: UsageEvent[]) => rows.map(({ id }) => Number(id));
const upTo = (count: number) => Array.from({ length: count }, (_, number) => number);
const arrived = (state: Arrivals, ...numbers: number[]) =>
  arrive(state, { type: "arrived", events: events(...numbers) });
const held = (state: Arrivals, on: boolean) => arrive(state, { type: "held", held: on });

describe("what arrives", () => {
  it("goes on top, the latest first", () => {
    const state = arrived(arrived(NONE, 1, 2), 3);
    expect(ids(state.rows)).toEqual([3, 2, 1]);
    expect(state.gaps).toBe(0);
  });

  it("waits while it is held, is counted, and moves nothing", () => {
    const waits = arrived(arrived(held(arrived(NONE, 1), true), 2, 3), 4);
    expect(ids(waits.rows)).toEqual([1]);
    expect(waits.waitingCount).toBe(3);
    const goesOn = held(waits, false);
    expect(ids(goesOn.rows)).toEqual([4, 3, 2, 1]);
    expect([goesOn.waitingCount, goesOn.gaps]).toEqual([0, 0]);
  });

  it("is kept up to a bound, counted beyond it, and then the list has to be read", () => {
    const waits = arrived(held(NONE, true), ...upTo(MAX_ROWS + 5));
    expect([waits.waiting.length, waits.waitingCount]).toEqual([MAX_ROWS, MAX_ROWS + 5]);
    const goesOn = held(waits, false);
    expect([goesOn.rows.length, goesOn.gaps]).toEqual([MAX_ROWS, 1]);
    expect(arrived(NONE, ...upTo(MAX_ROWS + 1)).gaps).toBe(1);
  });

  it("leaves the rows that the new list has, and keeps what came meanwhile", () => {
    const lost = arrive(arrived(NONE, 1, 2), { type: "lost" });
    const meanwhile = arrive(arrived(lost, 3), { type: "lost" });
    const listed = arrive(meanwhile, { type: "listed", rows: lost.rows, gaps: lost.gaps });
    expect(ids(listed.rows)).toEqual([3]);
    expect(listed.gaps - listed.closed, "the second gap is still open").toBe(1);
  });

  it("begins anew with another question, and stays held", () => {
    const begun = arrive(arrived(held(arrived(NONE, 1), true), 2), { type: "begun" });
    expect(begun).toEqual({ ...NONE, held: true });
  });
});
