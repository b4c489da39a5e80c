//! Reads of raw events: pages that late inserts do not disturb, and one event with its trace.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use metering_core::aggregate::key_bucket;
use metering_core::{Event, RecordPosition};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::aggregates::{Ids, Names};
use crate::dimension::KnownNames;
use crate::{progress, signed};

/// Events of a tenant looked at for one page. A filter that matches rarely gets a short page and
/// the place to go on from, not a request that reads for minutes.
pub const MAX_SCAN: i64 = 10_000;

/// Seconds of the first stretch of time that is searched when no index has the order, and by how
/// much every further one is longer.
const FIRST_STRETCH_SECONDS: i64 = 1;
const STRETCH_GROWTH: i32 = 4;

/// Which events; all conditions hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub names: Names,
    /// Inclusive.
    pub from: DateTime<Utc>,
    /// Exclusive.
    pub to: DateTime<Utc>,
    /// Members of the metadata object and the text of their values; `1` is also the number, `true`
    /// also the truth value.
    pub metadata: Vec<(String, String)>,
}

/// An event's place in the order of a listing: time, id, and the store's id of the tenant, since
/// two tenants may use one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    pub timestamp: DateTime<Utc>,
    pub id: Uuid,
    pub tenant: i32,
}

/// Log positions a listing is pinned to: of partition `i`, what was applied up to `pins[i]`.
pub type Pins = Vec<i64>;

/// [from, to).
type Range = (DateTime<Utc>, DateTime<Utc>);

#[derive(Debug, Default)]
pub struct Page {
    pub events: Vec<Event>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<Key>,
}

/// An event and how it came here.
#[derive(Debug)]
pub struct Traced {
    pub event: Event,
    pub received_at: DateTime<Utc>,
    pub persisted_at: DateTime<Utc>,
    pub position: RecordPosition,
}

/// The positions of now. What is persisted later has a higher one, whatever its timestamp.
pub async fn pins(conn: &mut PgConnection) -> Result<Pins, sqlx::Error> {
    let mut pins = Pins::new();
    for applied in progress::list_sequences(conn).await? {
        if applied.projection == progress::USAGE {
            pins.resize(usize::from(applied.partition), 0);
            pins.push(applied.position.seq.cast_signed());
        }
    }
    Ok(pins)
}

/// A page of at most `limit` events after `after`, newest first by (timestamp, id).
///
/// Events beyond the pins are left out: a listing shows what there was when it began, every event
/// once. A page may be short, even empty, and still have a next one.
pub async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    pins: &Pins,
    after: Option<Key>,
    limit: u32,
) -> Result<Page, sqlx::Error> {
    let mut listing = Listing::new(filter.clone(), pins.clone());
    listing.after = after;
    let page = listing.next(conn, limit).await?;
    Ok(page.unwrap_or_default())
}

/// Goes through the events of a filter page by page.
#[derive(Debug)]
pub struct Listing {
    filter: Filter,
    pins: Pins,
    after: Option<Key>,
    ended: bool,
    names: KnownNames,
    /// Over how much time the search for the next page begins.
    stretch: TimeDelta,
}

impl Listing {
    /// From the newest event on.
    pub fn new(filter: Filter, pins: Pins) -> Self {
        Self {
            filter,
            pins,
            after: None,
            ended: false,
            names: KnownNames::default(),
            stretch: TimeDelta::seconds(FIRST_STRETCH_SECONDS),
        }
    }

    /// The next page, of at most `limit` events. `None`: there are no more.
    pub async fn next(
        &mut self,
        conn: &mut PgConnection,
        limit: u32,
    ) -> Result<Option<Page>, sqlx::Error> {
        if self.ended {
            return Ok(None);
        }
        let page = match Ids::find(conn, &self.filter.names).await? {
            Some(ids) => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                if ids.tenant.is_some() {
                    self.of_one_tenant(conn, ids, limit).await?
                } else {
                    self.of_all_tenants(conn, ids, limit).await?
                }
            }
            None => Page::default(),
        };
        self.after = page.next;
        self.ended = page.next.is_none();
        Ok(Some(page))
    }

    /// Along the index of (tenant, timestamp, id).
    async fn of_one_tenant(
        &mut self,
        conn: &mut PgConnection,
        ids: Ids,
        limit: usize,
    ) -> Result<Page, sqlx::Error> {
        let range = (self.filter.from, self.filter.to);
        let rows = self.rows(conn, ids, range, limit + 1).await?;
        if rows.len() > limit {
            return self.page(conn, rows, limit).await;
        }
        let mut sql = QueryBuilder::new("select timestamp, id, tenant_id from (");
        self.push_scan(&mut sql, ids, range);
        sql.push(") as scanned offset ").push_bind(MAX_SCAN - 1);
        let last: Option<(DateTime<Utc>, Uuid, i32)> =
            sql.build_query_as().fetch_optional(&mut *conn).await?;
        let mut page = self.page(conn, rows, limit).await?;
        page.next = last.map(|(timestamp, id, tenant)| Key {
            timestamp,
            id,
            tenant,
        });
        Ok(page)
    }

    /// Back in time by longer and longer stretches, so that a busy second is not sorted together
    /// with the day it belongs to.
    async fn of_all_tenants(
        &mut self,
        conn: &mut PgConnection,
        ids: Ids,
        limit: usize,
    ) -> Result<Page, sqlx::Error> {
        let from = self.filter.from;
        let mut to = self.filter.to;
        if let Some(after) = self.after {
            // The row condition excludes what stood on earlier pages.
            to = to.min(after.timestamp + TimeDelta::microseconds(1));
        }
        let mut rows = Vec::new();
        while rows.len() <= limit && from < to {
            let start = to.checked_sub_signed(self.stretch);
            let start = start.map_or(from, |start| start.max(from));
            let wanted = limit + 1 - rows.len();
            let found = self.rows(conn, ids, (start, to), wanted).await?;
            if found.len() < wanted {
                let longer = self.stretch.checked_mul(STRETCH_GROWTH);
                self.stretch = longer.unwrap_or(TimeDelta::MAX);
            } else {
                // There are more than enough where the next page begins.
                let first = TimeDelta::seconds(FIRST_STRETCH_SECONDS);
                self.stretch = first.max(self.stretch / STRETCH_GROWTH);
            }
            rows.extend(found);
            to = start;
        }
        self.page(conn, rows, limit).await
    }

    async fn page(
        &mut self,
        conn: &mut PgConnection,
        mut rows: Vec<Row>,
        limit: usize,
    ) -> Result<Page, sqlx::Error> {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| Key {
            timestamp: row.timestamp,
            id: row.id,
            tenant: row.tenant_id,
        });
        let events = with_names(conn, rows, &mut self.names).await?;
        let events = events.into_iter().map(|(_, event)| event).collect();
        Ok(Page { events, next })
    }

    async fn rows(
        &self,
        conn: &mut PgConnection,
        ids: Ids,
        range: Range,
        limit: usize,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let mut sql = QueryBuilder::new(SELECT);
        sql.push("(");
        self.push_scan(&mut sql, ids, range);
        sql.push(") as e where seq <= (")
            .push_bind(&self.pins)
            .push("::bigint[])[partition + 1]");
        Ids {
            tenant: None,
            ..ids
        }
        .push(&mut sql);
        for (name, text) in &self.filter.metadata {
            push_metadata(&mut sql, name, text);
        }
        sql.push(" order by timestamp desc, id desc, tenant_id desc limit ")
            .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        sql.build_query_as().fetch_all(conn).await
    }

    /// The rows in question, before the conditions that no index helps with. Bounded for a tenant,
    /// where they come out of the index in order.
    fn push_scan(&self, sql: &mut QueryBuilder<Postgres>, ids: Ids, (from, to): Range) {
        sql.push("select * from usage_event where timestamp >= ")
            .push_bind(from)
            .push(" and timestamp < ")
            .push_bind(to);
        if let Some(tenant) = ids.tenant {
            sql.push(" and tenant_id = ").push_bind(tenant);
        }
        if let Some(after) = self.after {
            // The first condition is implied by the second, but only it tells which day tables.
            sql.push(" and timestamp <= ")
                .push_bind(after.timestamp)
                .push(" and (timestamp, id, tenant_id) < (")
                .push_bind(after.timestamp)
                .push(", ")
                .push_bind(after.id)
                .push(", ")
                .push_bind(after.tenant)
                .push(")");
        }
        if ids.tenant.is_some() {
            sql.push(" order by timestamp desc, id desc limit ")
                .push_bind(MAX_SCAN);
        }
    }
}

/// A record of the log that may be an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    pub seq: u64,
    pub index: u32,
    pub id: Uuid,
    pub tenant_id: String,
    pub timestamp: DateTime<Utc>,
}

/// Those of the `reported` records of one partition that count, in the order of the log, with the
/// sequence and index of each. Records that nobody has judged yet are not among them.
pub async fn list_counted(
    conn: &mut PgConnection,
    partition: u16,
    reported: &[Reported],
) -> Result<Vec<(u64, u32, Event)>, sqlx::Error> {
    let mut days = BTreeMap::<_, Vec<&Reported>>::new();
    for record in reported {
        let day = record.timestamp.date_naive();
        days.entry(day).or_default().push(record);
    }
    let mut rows = Vec::with_capacity(reported.len());
    for records in days.values() {
        rows.extend(rows_of_a_day(conn, partition, records).await?);
    }
    let mut counted = with_names(conn, rows, &mut KnownNames::default()).await?;
    counted.sort_unstable_by_key(|(way, _)| way.position);
    let place = |(way, event): (Way, Event)| (way.position.seq, way.position.index, event);
    Ok(counted.into_iter().map(place).collect())
}

/// All in one day's table, which the first two conditions tell the planner.
async fn rows_of_a_day(
    conn: &mut PgConnection,
    partition: u16,
    records: &[&Reported],
) -> Result<Vec<Row>, sqlx::Error> {
    let timestamps: Vec<DateTime<Utc>> = records.iter().map(|r| r.timestamp).collect();
    let ids: Vec<Uuid> = records.iter().map(|r| r.id).collect();
    let tenants: Vec<&str> = records.iter().map(|r| r.tenant_id.as_str()).collect();
    let seqs: Vec<i64> = records.iter().map(|r| signed::seq(r.seq)).collect();
    let indices: Vec<i32> = records.iter().map(|r| signed::index(r.index)).collect();
    let mut sql = QueryBuilder::new(SELECT);
    sql.push("(select e.* from unnest(")
        .push_bind(timestamps.clone())
        .push("::timestamptz[], ")
        .push_bind(ids)
        .push("::uuid[], ")
        .push_bind(tenants)
        .push("::text[], ")
        .push_bind(seqs)
        .push("::bigint[], ")
        .push_bind(indices)
        .push(
            "::integer[]) as r(timestamp, id, tenant, seq, record_index)
             join dimension d on d.name = r.tenant collate \"C\"
             cross join lateral (select * from usage_event where timestamp >= ",
        )
        .push_bind(timestamps.iter().min().copied())
        .push(" and timestamp <= ")
        .push_bind(timestamps.iter().max().copied())
        .push(
            " and timestamp = r.timestamp and tenant_id = d.id and id = r.id
                 and seq = r.seq and record_index = r.record_index and partition = ",
        )
        .push_bind(signed::partition(partition))
        // `offset 0` keeps it a loop over the index, whatever the planner thinks of the day's size.
        .push(" offset 0) as e) as e");
    sql.build_query_as().fetch_all(conn).await
}

fn push_metadata(sql: &mut QueryBuilder<Postgres>, name: &str, text: &str) {
    let with = |value: Value| json!({ name: value });
    sql.push(" and (metadata @> ").push_bind(with(text.into()));
    let scalar = serde_json::from_str::<Value>(text).ok();
    if let Some(scalar) = scalar.filter(|v| v.is_number() || v.is_boolean() || v.is_null()) {
        sql.push(" or metadata @> ").push_bind(with(scalar));
    }
    sql.push(")");
}

const SELECT: &str = "select timestamp, received_at, persisted_at, id, seq, quantity, record_index,
     partition, tenant_id, resource_id, feature_id, metadata::text as metadata from ";

#[derive(Debug, sqlx::FromRow)]
struct Row {
    timestamp: DateTime<Utc>,
    received_at: DateTime<Utc>,
    persisted_at: DateTime<Utc>,
    id: Uuid,
    seq: i64,
    quantity: i64,
    record_index: i32,
    partition: i16,
    tenant_id: i32,
    resource_id: i32,
    feature_id: i32,
    metadata: String,
}

/// What else is known of an event.
struct Way {
    received_at: DateTime<Utc>,
    persisted_at: DateTime<Utc>,
    position: RecordPosition,
}

/// Names are asked for once, not by each row.
async fn with_names(
    conn: &mut PgConnection,
    rows: Vec<Row>,
    names: &mut KnownNames,
) -> Result<Vec<(Way, Event)>, sqlx::Error> {
    let ids = |row: &Row| [row.tenant_id, row.resource_id, row.feature_id];
    names.learn(conn, rows.iter().flat_map(ids)).await?;
    let event = |row: Row| {
        let way = Way {
            received_at: row.received_at,
            persisted_at: row.persisted_at,
            position: RecordPosition {
                partition: row.partition.cast_unsigned(),
                seq: row.seq.cast_unsigned(),
                index: row.record_index.cast_unsigned(),
            },
        };
        let event = Event {
            id: row.id,
            tenant_id: names.get(row.tenant_id)?,
            resource: names.get(row.resource_id)?,
            feature: names.get(row.feature_id)?,
            quantity: row.quantity,
            timestamp: row.timestamp,
            metadata: RawValue::from_string(row.metadata)
                .map_err(|error| sqlx::Error::Decode(error.into()))?,
        };
        Ok((way, event))
    };
    rows.into_iter().map(event).collect()
}

/// The event that counts under (tenant, id), found by its key; `None` too for one that did not
/// count.
pub async fn find(
    conn: &mut PgConnection,
    tenant_id: &str,
    id: Uuid,
) -> Result<Option<Traced>, sqlx::Error> {
    let mut sql = QueryBuilder::new(SELECT);
    sql.push(
        "(select e.* from event_key k join dimension d on d.id = k.tenant_id
             join usage_event e on e.timestamp = k.event_timestamp and e.tenant_id = k.tenant_id
                 and e.id = k.id and e.partition = k.partition and e.seq = k.seq
                 and e.record_index = k.record_index
             where k.bucket = ",
    )
    .push_bind(key_bucket(id))
    .push(" and k.id = ")
    .push_bind(id)
    .push(" and d.name = ")
    .push_bind(tenant_id)
    .push(") as e");
    let row: Option<Row> = sql.build_query_as().fetch_optional(&mut *conn).await?;
    let rows = row.into_iter().collect();
    let found = with_names(conn, rows, &mut KnownNames::default()).await?;
    let traced = found.into_iter().next().map(|(way, event)| Traced {
        event,
        received_at: way.received_at,
        persisted_at: way.persisted_at,
        position: way.position,
    });
    Ok(traced)
}
