//! Random logs, read in random batches by random workers, against a model in memory.

use std::collections::{BTreeMap, HashMap};

use aggregator_worker::persist::{Outcome, Persister};
use metering_core::Record;
use metering_core::record::Report;
use metering_store::progress::Counters;
use metering_store::{Store, sqlx};
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::{
    books_balance, counters, database, message_of_raw, now, persist, report, start, v7,
};

const TENANTS: [&str; 3] = ["org_001", "auth0|5", "z"];
const NAMES: [&str; 2] = ["a", "b:c"];

#[derive(Debug, Clone)]
enum Item {
    Event {
        id: u8,
        tenant: usize,
        resource: usize,
        feature: usize,
        quantity: i64,
        /// Decides about equal and different payloads under one id.
        variant: u8,
        hours_ago: i64,
        refused: bool,
    },
    Malformed,
    Barrier,
}

#[derive(Debug, Clone)]
struct Plan {
    /// Envelopes of items; a broken one has damaged bytes.
    envelopes: Vec<(Vec<Item>, bool)>,
    /// Messages in each batch and which of two workers reads it.
    batches: Vec<(usize, usize)>,
}

fn items() -> impl Strategy<Value = Item> {
    let names = (0..TENANTS.len(), 0..NAMES.len(), 0..NAMES.len());
    let quantity = prop_oneof![8 => 0..1000_i64, 1 => Just(-1)];
    let hours = prop_oneof![4 => 0..48_i64, 1 => 0..60_000_i64];
    let event = (
        0..60_u8,
        names,
        quantity,
        0..4_u8,
        hours,
        prop::bool::weighted(0.02),
    )
        .prop_map(
            |(id, (tenant, resource, feature), quantity, variant, hours_ago, refused)| {
                Item::Event {
                    id,
                    tenant,
                    resource,
                    feature,
                    quantity,
                    variant: variant / 3,
                    hours_ago,
                    refused,
                }
            },
        );
    prop_oneof![30 => event, 1 => Just(Item::Malformed), 1 => Just(Item::Barrier)]
}

fn plans() -> impl Strategy<Value = Plan> {
    let envelope = (
        prop::collection::vec(items(), 1..25),
        prop::bool::weighted(0.05),
    );
    let envelopes = prop::collection::vec(envelope, 1..14);
    let batches = prop::collection::vec((1..5_usize, 0..2_usize), 14);
    (envelopes, batches).prop_map(|(envelopes, batches)| Plan { envelopes, batches })
}

fn build(item: &Item) -> Option<Report<'static>> {
    let Item::Event {
        id,
        tenant,
        resource,
        feature,
        quantity,
        variant,
        hours_ago,
        refused,
    } = item
    else {
        return None;
    };
    // Every third id carries no time.
    let id = match id % 3 {
        0 => Uuid::from_u128(u128::from(*id) + (4 << 76)),
        _ => v7(u128::from(*id)),
    };
    Some(Report {
        tenant_id: TENANTS[*tenant],
        resource: NAMES[*resource],
        feature: NAMES[*feature],
        quantity: *quantity,
        timestamp_us: (now() - chrono::Duration::hours(*hours_ago)).timestamp_micros(),
        payload_hash: i64::from(*variant),
        metadata: if *refused {
            r#"{"a":"\u0000"}"#
        } else {
            r#"{"a": [1.0]}"#
        },
        ..report(id)
    })
}

fn encode(items: &[Item], broken: bool) -> Vec<u8> {
    let records: Vec<_> = items
        .iter()
        .map(|item| match (item, build(item)) {
            (_, Some(report)) => (1, Record::Report(report).encode()),
            (Item::Malformed, _) => (1, vec![0xff; 3]),
            _ => (7, Record::Barrier { nonce: v7(0) }.encode()),
        })
        .collect();
    let mut bytes = message_of_raw(1, &records);
    if broken {
        *bytes.last_mut().unwrap() ^= 1;
    }
    bytes
}

/// (tenant, id) → (quantity, timestamp, sequence, index) of the events that count.
type Rows = BTreeMap<(String, Uuid), (i64, i64, i64, i32)>;

/// What the specification says, in the plainest words.
#[derive(Default)]
struct Oracle {
    first: HashMap<(&'static str, Uuid), i64>,
    rows: Rows,
    counters: Counters,
}

impl Oracle {
    fn read(&mut self, seq: i64, items: &[Item], broken: bool) {
        if broken {
            self.counters.logged += 1;
            self.counters.dead += 1;
            return;
        }
        for (index, item) in (0..).zip(items) {
            match (item, build(item)) {
                (_, Some(report)) => self.report(seq, index, &report),
                (Item::Malformed, _) => {
                    self.counters.logged += 1;
                    self.counters.dead += 1;
                }
                _ => {}
            }
        }
    }

    fn report(&mut self, seq: i64, index: i32, report: &Report<'static>) {
        self.counters.logged += 1;
        let key = (report.tenant_id, report.id);
        if let Some(first) = self.first.get(&key) {
            self.counters.duplicate += 1;
            self.counters.conflict += i64::from(*first != report.payload_hash);
            return;
        }
        self.first.insert(key, report.payload_hash);
        if report.quantity < 0 || report.metadata.contains("u0000") {
            self.counters.dead += 1;
            return;
        }
        self.counters.persisted += 1;
        let row = (report.quantity, report.timestamp_us, seq, index);
        self.rows
            .insert((report.tenant_id.to_owned(), report.id), row);
    }
}

async fn rows(store: &Store) -> Rows {
    let rows: Vec<(String, Uuid, i64, chrono::DateTime<chrono::Utc>, i64, i32)> = sqlx::query_as(
        "select name, e.id, quantity, timestamp, seq, record_index
         from usage_event as e join dimension as d on d.id = tenant_id",
    )
    .fetch_all(store.pool())
    .await
    .unwrap();
    rows.into_iter()
        .map(|(tenant, id, quantity, at, seq, index)| {
            ((tenant, id), (quantity, at.timestamp_micros(), seq, index))
        })
        .collect()
}

async fn check(plan: Plan) {
    let store = database().await;
    start(&store).await;
    let log: Vec<_> = plan
        .envelopes
        .iter()
        .map(|(items, broken)| encode(items, *broken))
        .collect();
    let mut oracle = Oracle::default();
    let mut workers = [Persister::new(store.clone()), Persister::new(store.clone())];
    let mut applied = 0;
    for (size, worker) in plan.batches {
        let to = (applied + size).min(log.len());
        if to == applied {
            break;
        }
        let outcome = persist(&mut workers[worker], &log, applied, to)
            .await
            .unwrap();
        assert!(matches!(outcome, Outcome::Committed { .. }));
        for (seq, (items, broken)) in (1..).zip(&plan.envelopes).skip(applied).take(to - applied) {
            oracle.read(seq, items, *broken);
        }
        assert_eq!(counters(&store).await, oracle.counters);
        books_balance(&store).await;
        // The other worker comes with the same messages, too late.
        let late = persist(&mut workers[1 - worker], &log, applied, to)
            .await
            .unwrap();
        assert_eq!(late, Outcome::Overtaken);
        applied = to;
    }
    assert_eq!(rows(&store).await, oracle.rows);
    replay(&store, &log[..applied], &oracle).await;
}

/// The whole log once more, from the start: nothing that counts changes.
async fn replay(store: &Store, log: &[Vec<u8>], oracle: &Oracle) {
    sqlx::query("update progress set seq = 0, hash = 0")
        .execute(store.pool())
        .await
        .unwrap();
    persist(&mut Persister::new(store.clone()), log, 0, log.len())
        .await
        .unwrap();
    assert_eq!(rows(store).await, oracle.rows);
    assert_eq!(counters(store).await.persisted, oracle.counters.persisted);
    books_balance(store).await;
    store.pool().close().await;
}

#[test]
fn the_database_says_what_the_oracle_says() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = ProptestConfig {
        max_shrink_iters: 200,
        ..ProptestConfig::with_cases(12)
    };
    proptest!(config, |(plan in plans())| runtime.block_on(check(plan)));
}
