-- The second line between tenants: whoever reads as the role of queries sees the rows of the tenant
-- that the session names in `meterd.tenant`, all where it names `*`, and none where it names nothing.
-- The tables' owner sees everything, and may still COPY, which policies that were forced on it would
-- not let it do.
--
-- What a session sees is looked up once a statement, hence the subqueries: beside the row it would
-- be asked for each one.

alter table dimension enable row level security;
-- One table of names for tenants, resources and features: it cannot tell whose they are.
create policy tenant on dimension for select
    using ((select current_setting('meterd.tenant', true) <> ''));

alter table usage_event enable row level security;
create policy tenant on usage_event for select using (
    (select current_setting('meterd.tenant', true) = '*')
    or tenant_id = (select id from dimension where name = current_setting('meterd.tenant', true))
);

alter table usage_aggregate enable row level security;
create policy tenant on usage_aggregate for select using (
    (select current_setting('meterd.tenant', true) = '*')
    or tenant_id = (select id from dimension where name = current_setting('meterd.tenant', true))
);

alter table event_key enable row level security;
create policy tenant on event_key for select using (
    (select current_setting('meterd.tenant', true) = '*')
    or tenant_id = (select id from dimension where name = current_setting('meterd.tenant', true))
);

-- Sums over all tenants are for those who see all.
alter table usage_aggregate_all enable row level security;
create policy tenant on usage_aggregate_all for select
    using ((select current_setting('meterd.tenant', true) = '*'));

alter table dead_letter enable row level security;
create policy tenant on dead_letter for select
    using ((select current_setting('meterd.tenant', true)) in ('*', tenant_id));

alter table api_key enable row level security;
create policy tenant on api_key for select
    using ((select current_setting('meterd.tenant', true)) in ('*', tenant_id));

alter table audit_log enable row level security;
create policy tenant on audit_log for select
    using ((select current_setting('meterd.tenant', true)) in ('*', tenant_id));

-- A quota whose tenant is `*` is every tenant's.
alter table quota enable row level security;
create policy tenant on quota for select using (
    (select current_setting('meterd.tenant', true)) in ('*', tenant_id)
    or (tenant_id = '*' and (select current_setting('meterd.tenant', true) <> ''))
);

alter table quota_ledger enable row level security;
create policy tenant on quota_ledger for select
    using ((select current_setting('meterd.tenant', true)) in ('*', tenant_id));

alter table decision enable row level security;
create policy tenant on decision for select
    using ((select current_setting('meterd.tenant', true)) in ('*', tenant_id));

alter table alert enable row level security;
create policy tenant on alert for select
    using ((select current_setting('meterd.tenant', true)) in ('*', tenant_id));
