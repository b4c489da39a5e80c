-- The worker's projection of the log. Everything here can be rebuilt from it.

-- Tenant, resource and feature names as small integers: four bytes instead of a text in every
-- row and index entry makes persisting about half as expensive.
create table dimension (
    id   integer generated always as identity primary key,
    name text collate "C" not null unique
);

-- How far each projection has applied each partition. The first statement of every transaction
-- that writes a projection is a compare-and-set of its row here; that alone makes it exactly-once.
create table progress (
    projection  text not null,
    partition   smallint not null,
    incarnation uuid not null,
    seq         bigint not null,
    hash        bigint not null,
    -- log time of the message at seq
    stream_time timestamptz,
    logged      bigint not null default 0,
    persisted   bigint not null default 0,
    duplicate   bigint not null default 0,
    -- those duplicates whose payload differed from the first one
    conflict    bigint not null default 0,
    dead        bigint not null default 0,
    updated_at  timestamptz not null default now(),
    primary key (projection, partition),
    -- conservation: nothing that was logged up to seq is unaccounted for
    check (logged = persisted + duplicate + dead),
    check (conflict <= duplicate)
);

-- The dedup authority: the first record of each (tenant, id), whatever became of it.
-- `bucket` is a function of the id (months since 2020-01 for time-leading ids, negative for
-- hashed ones), so a unique index per partition is a unique index over all, and old months can be
-- dropped whole. Tables for months are made by the worker before it inserts.
create table event_key (
    bucket          smallint not null,
    id              uuid not null,
    tenant_id       integer not null,
    partition       smallint not null,
    seq             bigint not null,
    record_index    integer not null,
    payload_hash    bigint not null,
    -- of a dead record without a valid one: the log time of its message
    event_timestamp timestamptz not null,
    primary key (bucket, id, tenant_id)
) partition by list (bucket);

create table event_key_hashed partition of event_key for values in (-1, -2, -3, -4, -5, -6, -7, -8);

-- Raw events. Day tables by `timestamp` are made by the worker before it inserts; there is no
-- default partition, since one row in it would block that day's table for ever. Everything before
-- 2020 shares one table: any year from 1 on is a valid event time and must not cost a table a day.
create table usage_event (
    timestamp    timestamptz not null,
    received_at  timestamptz not null,
    persisted_at timestamptz not null,
    id           uuid not null,
    seq          bigint not null,
    quantity     bigint not null,
    record_index integer not null,
    tenant_id    integer not null,
    resource_id  integer not null,
    feature_id   integer not null,
    partition    smallint not null,
    request_id   uuid not null,
    metadata     jsonb not null
) partition by range (timestamp);

create index usage_event_tenant on usage_event (tenant_id, timestamp, id);
create index usage_event_time on usage_event using brin (timestamp);

create table usage_event_before_2020 partition of usage_event
    for values from (minvalue) to ('2020-01-01 00:00:00+00');

-- Usage per tenant: quarter-hours (granularity 15, from which every zone's hour, day, week and
-- month fold) and UTC days (granularity 1440). The window leads the key: new windows are written
-- at the right edge of the index, however many old rows there are.
create table usage_aggregate (
    granularity    smallint not null,
    window_start   timestamptz not null,
    -- by way of UTC: adding to a timestamptz depends on the session's zone
    window_end     timestamptz not null generated always as (
        (window_start at time zone 'UTC' + granularity * interval '1 minute') at time zone 'UTC'
    ) virtual,
    tenant_id      integer not null,
    resource_id    integer not null,
    feature_id     integer not null,
    total_quantity bigint not null,
    event_count    bigint not null,
    primary key (granularity, window_start, tenant_id, resource_id, feature_id)
) with (fillfactor = 70); -- the current windows' rows are updated again and again: keep that HOT
create index usage_aggregate_tenant on usage_aggregate (tenant_id, granularity, window_start);

-- Usage over all tenants, a row per log partition so that the partitions' writers share no row.
create table usage_aggregate_all (
    granularity    smallint not null,
    window_start   timestamptz not null,
    partition      smallint not null,
    resource_id    integer not null,
    feature_id     integer not null,
    total_quantity bigint not null,
    event_count    bigint not null,
    primary key (granularity, window_start, partition, resource_id, feature_id)
) with (fillfactor = 70);

-- Records that reached the log and cannot count, with the reason.
create table dead_letter (
    -- a stream that was made anew numbers its messages from 1 again
    incarnation  uuid not null,
    partition    smallint not null,
    seq          bigint not null,
    -- null: the whole message
    record_index integer,
    code         text not null,
    detail       text not null,
    -- the event where it could be decoded; json, because jsonb refuses some of what ends up here
    event        json,
    -- the record's bytes, or the message's
    payload      bytea not null,
    created_at   timestamptz not null,
    unique nulls not distinct (incarnation, partition, seq, record_index)
);

-- Records the worker owes the log, appended after the commit that found them necessary.
create table log_outbox (
    id         bigint generated always as identity primary key,
    partition  smallint not null,
    kind       smallint not null,
    payload    bytea not null,
    created_at timestamptz not null
);
create index log_outbox_partition on log_outbox (partition, id);

create table api_key (
    id            text primary key,
    name          text not null,
    secret_sha256 bytea not null unique check (octet_length(secret_sha256) = 32),
    scopes        text[] not null,
    tenant_id     text,
    created_at    timestamptz not null,
    expires_at    timestamptz
);
