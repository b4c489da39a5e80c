import type { UsageEvent } from "@/api/types";

/** Rows that are put on top before the list is read anew: more is slow to draw. */
export const MAX_ROWS = 1000;

export interface Arrivals {
  /** Whoever reads further down, or has paused, is not disturbed: what arrives waits. */
  held: boolean;
  /** The latest first. */
  rows: UsageEvent[];
  waiting: UsageEvent[];
  /** Of what waits, with what is too much to be kept. */
  waitingCount: number;
  /** How often it was found that some are not in `rows`, and how many of these gaps the list has closed. */
  gaps: number;
  closed: number;
}

export const NONE: Arrivals = { held: false, rows: [], waiting: [], waitingCount: 0, gaps: 0, closed: 0 };

type Change =
  | { type: "arrived"; events: UsageEvent[] }
  | { type: "held"; held: boolean }
  /** The list has been read anew after there were these rows and so many gaps. */
  | { type: "listed"; rows: UsageEvent[]; gaps: number }
  | { type: "lost" }
  | { type: "begun" };

export function arrive(state: Arrivals, change: Change): Arrivals {
  switch (change.type) {
    case "arrived": {
      const waiting = [...change.events.toReversed(), ...state.waiting];
      const waitingCount = state.waitingCount + change.events.length;
      const next = { ...state, waiting: waiting.slice(0, MAX_ROWS), waitingCount };
      return state.held ? next : released(next);
    }
    case "held":
      return change.held ? { ...state, held: true } : released({ ...state, held: false });
    case "listed": {
      const listed = new Set(change.rows);
      return { ...state, rows: state.rows.filter((row) => !listed.has(row)), closed: change.gaps };
    }
    case "lost":
      return { ...state, gaps: state.gaps + 1 };
    case "begun":
      return { ...NONE, held: state.held };
  }
}

function released(state: Arrivals): Arrivals {
  const rows = [...state.waiting, ...state.rows];
  const cut = state.waitingCount > state.waiting.length || rows.length > MAX_ROWS;
  const gaps = state.gaps + (cut ? 1 : 0);
  return { ...state, rows: rows.slice(0, MAX_ROWS), waiting: [], waitingCount: 0, gaps };
}
