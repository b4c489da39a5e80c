//! A database per test, messages made by hand, and the books that must balance at every commit.

use aggregator_worker::decode::{Decoded, decode};
use aggregator_worker::persist::{Outcome, PersistError, Persister, Step};
use chrono::{DateTime, Utc};
use metering_core::position::message_hash;
use metering_core::record::Report;
use metering_core::{Position, Record};
use metering_store::progress::{self, Counters, USAGE};
use metering_store::{Store, sqlx};
use uuid::Uuid;

pub(crate) const INCARNATION: Uuid = Uuid::from_u128(0x1ca);
pub(crate) const PARTITION: u16 = 0;

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment which servers they have"
)]
fn server() -> String {
    std::env::var("METERD_POSTGRES_URL").expect("METERD_POSTGRES_URL: run `make test`")
}

/// A new database with the schema.
pub(crate) async fn database() -> Store {
    let (server, rest) = {
        let url = server();
        let after_scheme = url.find("://").unwrap() + 3;
        let slash = url[after_scheme..]
            .find('/')
            .map_or(url.len(), |i| after_scheme + i);
        let query = url.find('?').map_or("", |i| &url[i..]).to_owned();
        (url[..slash].to_owned(), query)
    };
    let name = format!("worker_{}", Uuid::new_v4().simple());
    let admin = Store::connect(&format!("{server}/postgres{rest}"), 1)
        .await
        .unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}")))
        .execute(admin.pool())
        .await
        .unwrap();
    admin.pool().close().await;
    let store = Store::connect(&format!("{server}/{name}{rest}"), 8)
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store.check_schema().await.unwrap();
    store
}

pub(crate) fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn now() -> DateTime<Utc> {
    instant("2025-11-20T10:31:02Z")
}

pub(crate) fn report(id: Uuid) -> Report<'static> {
    Report {
        id,
        tenant_id: "org_001",
        resource: "billing",
        feature: "invoice_generate",
        quantity: 1,
        timestamp_us: instant("2025-11-20T10:31:00Z").timestamp_micros(),
        metadata: r#"{"user":"u_123"}"#,
        received_us: instant("2025-11-20T10:31:01Z").timestamp_micros(),
        payload_hash: 1,
        request_id: Uuid::from_u128(9),
    }
}

/// A UUIDv7 of November 2025.
pub(crate) fn v7(number: u128) -> Uuid {
    Uuid::from_u128((0x019a_9b5e_0000_u128 << 80) | (7 << 76) | (2 << 62) | number)
}

/// A message of raw (kind, payload) records: what no publisher of this version would write.
pub(crate) fn message_of_raw(version: u8, records: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"MTRD".to_vec();
    bytes.push(version);
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(&now().timestamp_micros().to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(records.len()).unwrap().to_le_bytes());
    for (kind, payload) in records {
        bytes.push(*kind);
        bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(payload);
    }
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

pub(crate) fn message(records: &[Record<'_>]) -> Vec<u8> {
    let records: Vec<_> = records.iter().map(|r| (r.kind(), r.encode())).collect();
    message_of_raw(1, &records)
}

pub(crate) fn reports(reports: &[Report<'_>]) -> Vec<u8> {
    let records: Vec<_> = reports.iter().map(|r| Record::Report(*r)).collect();
    message(&records)
}

/// Where a projection stands that has applied `log[..applied]`, message n having sequence n + 1.
pub(crate) fn position(log: &[Vec<u8>], applied: usize) -> Position {
    let start = Position::start(INCARNATION);
    match log[..applied].last() {
        None => start,
        Some(last) => Position {
            seq: applied as u64,
            hash: message_hash(last),
            ..start
        },
    }
}

pub(crate) fn step(log: &[Vec<u8>], from: usize, to: usize) -> Step {
    Step {
        partition: PARTITION,
        from: position(log, from),
        to: position(log, to),
        stream_time: now(),
    }
}

pub(crate) fn decoded(log: &[Vec<u8>], from: usize, to: usize) -> Decoded<'_> {
    decode(
        PARTITION,
        (from as u64 + 1..).zip(log[from..to].iter().map(Vec::as_slice)),
    )
}

/// Enters the position row if there is none.
pub(crate) async fn start(store: &Store) {
    let mut conn = store.pool().acquire().await.unwrap();
    progress::insert_start(
        &mut conn,
        USAGE,
        PARTITION,
        Position::start(INCARNATION),
        now(),
    )
    .await
    .unwrap();
}

pub(crate) async fn persist(
    persister: &mut Persister,
    log: &[Vec<u8>],
    from: usize,
    to: usize,
) -> Result<Outcome, PersistError> {
    persister
        .persist(step(log, from, to), &decoded(log, from, to), now())
        .await
}

/// Applies the whole log as one batch and checks the books.
pub(crate) async fn persist_all(store: &Store, log: &[Vec<u8>]) -> Counters {
    start(store).await;
    let mut persister = Persister::new(store.clone());
    let outcome = persist(&mut persister, log, 0, log.len()).await.unwrap();
    let Outcome::Committed { counters, .. } = outcome else {
        panic!("{outcome:?}")
    };
    books_balance(store).await;
    counters
}

pub(crate) async fn counters(store: &Store) -> Counters {
    let mut conn = store.pool().acquire().await.unwrap();
    progress::find(&mut conn, USAGE, PARTITION)
        .await
        .unwrap()
        .unwrap()
        .counters
}

pub(crate) async fn count(store: &Store, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql)
        .fetch_one(store.pool())
        .await
        .unwrap()
}

/// (sequence, index, code) of the dead letters, in log order.
pub(crate) async fn dead_letters(store: &Store) -> Vec<(i64, Option<i32>, String)> {
    sqlx::query_as("select seq, record_index, code from dead_letter order by 1, 2")
        .fetch_all(store.pool())
        .await
        .unwrap()
}

/// Aggregates = sum(raw) in both tables and granularities, and conservation.
pub(crate) async fn books_balance(store: &Store) {
    let sums = "with sums as (
            select g, timezone('UTC', date_bin(g * interval '1 minute',
                    timestamp at time zone 'UTC', '2000-01-01')) as w,
                partition, tenant_id, resource_id, feature_id, quantity
            from usage_event, (values (15), (1440)) as granularities(g)),
        per_tenant as (
            select g, w, w + g * interval '1 minute' as e, tenant_id, resource_id, feature_id,
                sum(quantity) as total, count(*) as events from sums group by 1, 2, 3, 4, 5, 6),
        overall as (
            select g, w, partition, resource_id, feature_id,
                sum(quantity) as total, count(*) as events from sums group by 1, 2, 3, 4, 5),
        kept as (select granularity as g, window_start as w, window_end as e, tenant_id,
            resource_id, feature_id, total_quantity as total, event_count as events
            from usage_aggregate),
        kept_overall as (select granularity as g, window_start as w, partition, resource_id,
            feature_id, total_quantity as total, event_count as events from usage_aggregate_all)
        select (select count(*) from ((table per_tenant except table kept) union all
                    (table kept except table per_tenant)) as d)
            + (select count(*) from ((table overall except table kept_overall) union all
                    (table kept_overall except table overall)) as d)";
    assert_eq!(
        count(store, sums).await,
        0,
        "aggregates differ from the sums of raw events"
    );
    let c = counters(store).await;
    assert_eq!(c.logged, c.persisted + c.duplicate + c.dead);
    assert_eq!(
        c.persisted,
        count(store, "select count(*) from usage_event").await
    );
}
