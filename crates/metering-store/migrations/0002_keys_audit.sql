-- Keys are deleted softly: what was deleted must be known as deleted, to distribute that again after
-- a crash, and so that nothing makes the key anew.
alter table api_key
    add column last_used_at timestamptz,
    add column deleted_at   timestamptz;

create index api_key_listing on api_key (created_at, id) where deleted_at is null;

-- What administrators did, written in the transaction that did it.
create table audit_log (
    id         bigint generated always as identity primary key,
    at         timestamptz not null,
    -- null: meterd itself, when it was installed
    key_id     text,
    -- such as key.create
    action     text not null,
    -- the id of what it was done to
    target     text not null,
    -- the tenant that the target belongs to, if it belongs to one
    tenant_id  text,
    request_id uuid,
    -- never holds a secret
    detail     jsonb not null
);
create index audit_log_tenant on audit_log (tenant_id, id);
