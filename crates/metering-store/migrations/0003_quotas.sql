-- The quota projection of the log. Decisions are made from the log alone; what is here is read by
-- people, and by the next start.

-- What is enforced. A quota for every tenant has a row per partition.
create table quota (
    partition       smallint not null,
    id              uuid not null,
    -- the change that made it so, and the one that its windows began with: random numbers
    version         bigint not null,
    generation      bigint not null,
    tenant_id       text collate "C" not null,
    feature         text collate "C" not null,
    resource        text collate "C",
    name            text not null,
    quota_limit     bigint not null,
    period          text not null,
    timezone        text not null,
    anchor          date,
    enforcement     text not null,
    alert_threshold smallint,
    updated_at      timestamptz not null,
    primary key (partition, id)
);

-- Use by window: used = reported + taken + settled. Numeric, because sums are exact whatever they
-- come to.
create table quota_ledger (
    quota_id     uuid not null,
    generation   bigint not null,
    tenant_id    text collate "C" not null,
    feature      text collate "C" not null,
    window_start timestamptz not null,
    -- null: it never ends
    window_end   timestamptz,
    partition    smallint not null,
    reported     numeric not null,
    taken        numeric not null,
    settled      numeric not null,
    overshoot    numeric not null,
    corrected    numeric not null,
    primary key (quota_id, generation, tenant_id, feature, window_start)
);
create index quota_ledger_tenant on quota_ledger (tenant_id, window_start);

-- The fold's whole state at a position.
create table quota_snapshot (
    partition   smallint primary key,
    incarnation uuid not null,
    seq         bigint not null,
    hash        bigint not null,
    state       bytea not null,
    created_at  timestamptz not null
);
-- It is compressed by nobody: ids are random.
alter table quota_snapshot alter column state set storage external;

-- What consumes and reserves were answered, and from what.
create table decision (
    partition    smallint not null,
    seq          bigint not null,
    record_index integer not null,
    tenant_id    text collate "C" not null,
    id           uuid not null,
    kind         text not null,
    feature      text not null,
    resource     text,
    quantity     bigint not null,
    -- allowed, denied, or why there is no answer
    outcome      text not null,
    answer       json,
    -- log time
    decided_at   timestamptz not null,
    primary key (partition, seq, record_index)
);
create index decision_id on decision (tenant_id, id);
create index decision_time on decision using brin (decided_at);

-- Thresholds that were crossed, each once, and how far their delivery is.
create table alert (
    id              uuid primary key,
    kind            text not null,
    quota_id        uuid not null,
    tenant_id       text collate "C" not null,
    feature         text not null,
    window_start    timestamptz not null,
    window_end      timestamptz,
    quota_limit     bigint not null,
    threshold       smallint not null,
    used            numeric not null,
    -- log time
    raised_at       timestamptz not null,
    delivered_at    timestamptz,
    attempts        integer not null default 0,
    next_attempt_at timestamptz not null
);
create index alert_time on alert (raised_at desc, id);
create index alert_due on alert (next_attempt_at) where delivered_at is null;
