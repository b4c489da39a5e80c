// The API's answers. Until /openapi.json is served they are written here, afterwards generated.
import type { Json } from "@/lib/json";
import type { Quantity } from "@/lib/number";
import type { Window } from "@/lib/time";

export interface UsageEvent {
  id: string;
  tenant_id: string;
  resource: string;
  feature: string;
  quantity: number;
  timestamp: string;
  metadata: Json;
}

export interface EventList {
  data: UsageEvent[];
  next_cursor: string | null;
}

export interface EventTrace {
  received_at: string;
  position: { incarnation: string; partition: number; seq: number; index: number };
  persisted_at: string;
  windows: { window_start: string; window_end: string }[];
}

export type EventWithTrace = UsageEvent & { trace: EventTrace };

export interface Totals {
  total_quantity: Quantity;
  event_count: Quantity;
}

export interface AggregateRow extends Totals {
  tenant_id?: string;
  resource?: string;
  feature?: string;
  window_start?: string;
  window_end?: string;
}

export interface AggregateList {
  data: AggregateRow[];
  next_cursor: null;
  from: string;
  to: string;
  window: Window | "none";
  timezone: string;
  totals?: Totals;
}

export type Scope = "ingest" | "read" | "validate" | "admin";

export interface ApiKey {
  id: string;
  name: string;
  scopes: Scope[];
  tenant_id: string | null;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
}

export interface ApiKeyList {
  data: ApiKey[];
  next_cursor: string | null;
}

export type CreatedApiKey = Omit<ApiKey, "last_used_at"> & { secret: string };

export const PERIODS = ["minutely", "hourly", "daily", "weekly", "monthly", "yearly", "lifetime"] as const;
export const ENFORCEMENTS = ["hard", "soft", "shadow"] as const;

export interface Quota {
  id: string;
  tenant_id: string;
  feature: string;
  resource: string | null;
  name: string;
  limit: number;
  period: (typeof PERIODS)[number];
  timezone: string;
  enforcement: (typeof ENFORCEMENTS)[number];
  /** Per cent of the limit. */
  alert_threshold: number | null;
  status: "active" | "warming";
}

/** Of one limit. The integers come as texts where they may be large. */
export interface LimitUse {
  quota_id: string;
  limit: number;
  used: string;
  reserved: string;
  reset_at: string | null;
}

export interface Decision {
  allowed: boolean;
  limits: LimitUse[];
}

export interface Alert {
  id: string;
  feature: string;
  limit: number;
  alert_threshold: number;
  used: string;
  raised_at: string;
  delivered_at: string | null;
}
