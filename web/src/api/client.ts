import { parseJson } from "@/lib/json";
import { session } from "@/lib/session";
import { createStore } from "@/lib/store";

/** Whether the last request was answered at all. */
export const reachable = createStore(true);

/** An answer other than 2xx; `detail` is a sentence for people. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly requestId: string | null,
  ) {
    super(detail);
  }
}

/** No answer: meterd is down, or the network is. */
export class Unreachable extends Error {
  constructor() {
    super("meterd does not answer");
  }
}

/** What is `undefined` or empty is left out. */
export type Query = Record<string, string | number | undefined>;

export function toUrl(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") params.set(name, String(value));
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

interface Request {
  query?: Query;
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: unknown;
  /** Instead of the session's. */
  key?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Asks meterd for JSON. Errors: as [`send`]. */
export async function request<T>(path: string, options: Request = {}): Promise<T> {
  const response = await send(path, options);
  return parsed(await response.text()) as T;
}

/**
 * Asks meterd; the answer's status is 2xx. Errors: [`ApiProblem`], [`Unreachable`]; a key that is no longer
 * valid ends the session.
 */
export async function send(path: string, options: Request): Promise<Response> {
  const key = options.key ?? session.get();
  const headers = new Headers({ ...options.headers, Authorization: `Bearer ${key}` });
  const init: RequestInit = { method: options.method ?? "GET", headers, cache: "no-store" };
  if (options.signal) init.signal = options.signal;
  if (options.body !== undefined) {
    headers.set("Content-Type", "application/json");
    init.body = JSON.stringify(options.body);
  }
  const response = await answer(toUrl(path, options.query), init);
  if (response.ok) return response;
  const problem = await toProblem(response);
  if (problem.status === 401 && options.key === undefined && key === session.get()) session.set(null);
  throw problem;
}

async function answer(url: string, init: RequestInit): Promise<Response> {
  try {
    const response = await fetch(url, init);
    reachable.set(true);
    return response;
  } catch (error) {
    if (init.signal?.aborted) throw error;
    reachable.set(false);
    throw new Unreachable();
  }
}

function parsed(text: string): unknown {
  return text === "" ? undefined : parseJson(text);
}

async function toProblem(response: Response): Promise<ApiProblem> {
  const requestId = response.headers.get("x-request-id");
  const unknown = () =>
    new ApiProblem(
      response.status,
      "unknown",
      `The answer was ${response.status} ${response.statusText}`,
      requestId,
    );
  try {
    const body = parsed(await response.text()) as { code?: unknown; detail?: unknown } | undefined;
    if (typeof body?.code !== "string" || typeof body.detail !== "string") return unknown();
    return new ApiProblem(response.status, body.code, body.detail, requestId);
  } catch {
    return unknown();
  }
}
