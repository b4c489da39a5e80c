// Short names for what docs/openapi.json describes; schema.gen.ts is made of it.
import type { components, operations } from "./schema.gen";

type Schemas = components["schemas"];
type Body<Name extends keyof operations> = operations[Name] extends {
  requestBody?: { content: { "application/json": infer Content } };
}
  ? Content
  : never;

export type UsageEvent = Schemas["Event"];
export type EventList = Schemas["EventList"];
export type EventWithTrace = Schemas["EventWithTrace"];

export type DeadLetter = Schemas["Letter"];
export type DeadLetterList = Schemas["DeadLetterList"];
export type Changes = Body<"replay_dead_letter">;
export type Replayed = Schemas["Replayed"];

export type AggregateRow = Schemas["AggregateRow"];
export type AggregateList = Schemas["AggregateList"];
export type TenantUsage = Schemas["TenantUsage"];
export type TenantList = Schemas["TenantList"];
export type TenantDetail = Schemas["TenantDetail"];

export type ApiKey = Schemas["Key"];
export type ApiKeyList = Schemas["KeyList"];
export type CreatedApiKey = Schemas["CreatedKey"];
export type NewKey = Body<"create_key">;
export type Overlap = Body<"rotate_key">;
export type Scope = NewKey["scopes"][number];

export type Quota = Schemas["Quota"];
export type QuotaList = Schemas["QuotaList"];
export type NewQuota = Body<"put_quota">;
export type Period = NewQuota["period"];
export type Enforcement = NonNullable<NewQuota["enforcement"]>;
export type Consumption = Schemas["Consumption"];
export type AlertList = Schemas["AlertList"];
