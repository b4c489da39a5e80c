-- When usage of each UTC day last changed, a row per log partition so that the partitions' writers
-- share none. An answer about a range is what it was for as long as the days of the range are.
create table usage_day (
    day       date not null,
    partition smallint not null,
    -- µs since the epoch when it changed, or one more than before where a clock was put back. It only
    -- grows, so the sum over some days is another one after each change of any of them.
    version   bigint not null,
    primary key (day, partition)
) with (fillfactor = 70);

-- Days of before: a version of theirs, so that 0 is that of days without usage only.
insert into usage_day (day, partition, version)
select distinct (window_start at time zone 'UTC')::date, partition, (extract(epoch from now()) * 1000000)::bigint
from usage_aggregate_all where granularity = 1440;
