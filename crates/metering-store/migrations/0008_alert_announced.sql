-- When the broker had stored an alert for those who listen there. Nobody did so far.
alter table alert add column announced_at timestamptz;
update alert set announced_at = raised_at;
create index alert_unannounced on alert (raised_at) where announced_at is null;
