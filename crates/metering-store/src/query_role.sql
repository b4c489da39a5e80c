-- After each migration: a role is the server's, not the database's, so a database that was restored
-- elsewhere comes without it, and new tables are not granted by themselves.
do $$
begin
    -- As only one at a time.
    perform pg_advisory_xact_lock(x'6d6574657264'::bigint);
    if not exists (select from pg_roles where rolname = 'meterd_query') then
        begin
            create role meterd_query nologin;
        exception
            -- For another database of this server.
            when duplicate_object or unique_violation then null;
        end;
    end if;
    if not pg_has_role(current_user, 'meterd_query', 'set') then
        grant meterd_query to current_user with inherit false, set true;
    end if;
    execute format('grant usage on schema %I to meterd_query', current_schema());
    -- Not on the tables of days and months: those have no policies, and are read through these.
    grant select on alert, api_key, audit_log, dead_letter, decision, dimension, event_key, progress,
        quota, quota_ledger, usage_aggregate, usage_aggregate_all, usage_event
        to meterd_query;
end $$;
