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
