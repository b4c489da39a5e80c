-- Dead letters are worked off: each is open until its event is replayed or given up.
alter table dead_letter
    add column id          bigint generated always as identity primary key,
    -- the tenant that it belongs to, where that can be told
    add column tenant_id   text collate "C",
    add column state       text not null default 'open' check (state in ('open', 'replayed', 'discarded')),
    add column resolved_at timestamptz,
    -- the id that its event was appended to the log with, again
    add column replayed_as uuid,
    add check ((state = 'open') = (resolved_at is null)),
    add check ((state = 'replayed') = (replayed_as is not null));

create index dead_letter_state on dead_letter (state, id);
create index dead_letter_tenant on dead_letter (tenant_id, state, id);
