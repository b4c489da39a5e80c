//! Whole workers on a log in memory.

use std::sync::Arc;
use std::time::Duration;

use aggregator_worker::Config;
use clap::Parser;
use metering_core::Record;
use metering_core::envelope::EncodedRecord;
use metering_core::record::Report;
use metering_log::memory::Publishing;
use metering_log::{
    Backend as _, MemoryBackend, Priority, Publisher, PublisherConfig, SharedBackend,
};
use metering_store::{Store, sqlx};
use service_kit::health::Health;
use service_kit::metrics::Metrics;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{count, database, message_of_raw, report, v7};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    config: Config,
}

struct World {
    memory: MemoryBackend,
    log: SharedBackend,
    publisher: Publisher,
    store: Store,
}

struct Worker {
    health: Health,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl World {
    async fn new() -> Self {
        let memory = MemoryBackend::new();
        let log: SharedBackend = Arc::new(memory.clone());
        let config = PublisherConfig {
            generation: 1,
            partitions: 2,
            boot_id: v7(0),
            publish_timeout: PATIENCE,
            clock: crate::support::now,
        };
        let publisher = Publisher::start(log.clone(), config, CancellationToken::new())
            .await
            .unwrap();
        let store = database().await;
        Self {
            memory,
            log,
            publisher,
            store,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the test is the worker's process"
    )]
    fn worker(&self) -> Worker {
        let config = Args::parse_from(["worker"]).config;
        let health = Health::default();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn({
            let (log, publisher, store) =
                (self.log.clone(), self.publisher.clone(), self.store.clone());
            let (health, shutdown) = (health.clone(), shutdown.clone());
            async move {
                aggregator_worker::run(
                    config,
                    log,
                    publisher,
                    store,
                    &health,
                    &Metrics::default(),
                    shutdown,
                )
                .await
            }
        });
        Worker {
            health,
            shutdown,
            task,
        }
    }

    async fn append(&self, partition: u16, reports: &[Report<'_>]) {
        let records = reports
            .iter()
            .map(|r| EncodedRecord::new(&Record::Report(*r)))
            .collect();
        self.publisher
            .append(partition, records, Priority::Report)
            .await
            .unwrap();
    }

    /// Asks the database until it says `expected`.
    async fn until(&self, sql: &'static str, expected: i64) {
        let asked = async { while count(&self.store, sql).await != expected {} };
        let said = tokio::time::timeout(PATIENCE, asked).await;
        said.unwrap_or_else(|_| panic!("never saw {expected}: {sql}"));
    }
}

impl Worker {
    async fn until_not_ready(&self) {
        let stopped = async {
            while self.health.is_ready() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, stopped).await.unwrap();
    }

    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

const EVENTS: &str = "select count(*) from usage_event";
/// Sessions that have exactly one partition.
const WITH_ONE_PARTITION: &str = "select count(*) from (select pid from pg_locks
    where locktype = 'advisory' and classid::bigint = x'6d747250'::bigint and granted
        and database = (select oid from pg_database where datname = current_database())
    group by pid having count(*) = 1) as sessions";
const PARTITION_LOCKS: &str = "select count(*) from pg_locks
    where locktype = 'advisory' and classid::bigint = x'6d747250'::bigint and granted
        and database = (select oid from pg_database where datname = current_database())";

#[tokio::test]
async fn workers_share_the_partitions_and_take_over() {
    let world = World::new().await;
    let first = world.worker();
    world.append(0, &[report(v7(1))]).await;
    world.append(1, &[report(v7(2)), report(v7(3))]).await;
    world.until(EVENTS, 3).await;
    assert!(first.health.is_ready());
    let second = world.worker();
    world.until(WITH_ONE_PARTITION, 2).await;
    world.append(0, &[report(v7(4))]).await;
    world.append(1, &[report(v7(5))]).await;
    world.until(EVENTS, 5).await;
    first.stop().await;
    world.append(0, &[report(v7(6))]).await;
    world.append(1, &[report(v7(7)), report(v7(1))]).await;
    world.until(EVENTS, 7).await;
    world
        .until("select sum(duplicate)::bigint from progress", 1)
        .await;
    second.stop().await;
    world.until(PARTITION_LOCKS, 0).await;
}

#[tokio::test]
async fn a_lost_lock_session_is_replaced() {
    let world = World::new().await;
    let worker = world.worker();
    world.until(PARTITION_LOCKS, 2).await;
    let killed = "select count(pg_terminate_backend(pid)) from pg_locks
        where locktype = 'advisory' and classid::bigint = x'6d747257'::bigint
            and database = (select oid from pg_database where datname = current_database())";
    assert_eq!(count(&world.store, killed).await, 1);
    world.until(PARTITION_LOCKS, 2).await;
    world.append(1, &[report(v7(1))]).await;
    world.until(EVENTS, 1).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_refused_record_is_voided_in_the_log() {
    let world = World::new().await;
    let worker = world.worker();
    let refused = Report {
        metadata: r#"{"a":"\u0000"}"#,
        ..report(v7(2))
    };
    world.append(1, &[report(v7(1)), refused]).await;
    // The void is itself a record, read and passed over.
    world
        .until(
            "select coalesce(max(seq), 0) from progress where partition = 1",
            2,
        )
        .await;
    world.until("select count(*) from log_outbox", 0).await;
    let dead = "select count(*) from dead_letter where (partition, seq, record_index) = (1, 1, 1)";
    world.until(dead, 1).await;
    worker.stop().await;
}

/// The server's side of a transaction, killed in the middle of it.
#[tokio::test]
async fn a_lost_transaction_is_tried_again() {
    let world = World::new().await;
    let worker = world.worker();
    world.append(0, &[report(v7(1))]).await;
    world.until(EVENTS, 1).await;
    let mut locker = world.store.pool().begin().await.unwrap();
    sqlx::query("lock table usage_aggregate in access exclusive mode")
        .execute(&mut *locker)
        .await
        .unwrap();
    world.append(0, &[report(v7(2)), report(v7(1))]).await;
    let waiting = "select count(*) from pg_locks
        where not granted and relation = 'usage_aggregate'::regclass";
    world.until(waiting, 1).await;
    let kill = "select count(pg_terminate_backend(pid)) from pg_locks
        where not granted and relation = 'usage_aggregate'::regclass";
    assert_eq!(count(&world.store, kill).await, 1);
    world
        .until("select seq from progress where partition = 0", 1)
        .await;
    locker.commit().await.unwrap();
    world.until(EVENTS, 2).await;
    world
        .until("select logged from progress where partition = 0", 3)
        .await;
    worker.stop().await;
}

#[tokio::test]
async fn an_unknown_kind_stops_the_partition_and_readiness() {
    let world = World::new().await;
    world.append(0, &[report(v7(1))]).await;
    let unknown = message_of_raw(1, &[(77, vec![])]);
    world
        .memory
        .publish(0, "x".to_owned(), unknown.into())
        .await
        .unwrap();
    world.append(0, &[report(v7(2))]).await;
    let worker = world.worker();
    world.until(EVENTS, 1).await;
    world.append(1, &[report(v7(3))]).await;
    world.until(EVENTS, 2).await;
    worker.until_not_ready().await;
    world
        .until("select seq from progress where partition = 0", 1)
        .await;
    worker.stop().await;
}

#[tokio::test]
async fn another_log_is_read_from_its_start() {
    let world = World::new().await;
    let worker = world.worker();
    world.append(0, &[report(v7(1))]).await;
    world.append(0, &[report(v7(2))]).await;
    world.until(EVENTS, 2).await;
    world.memory.replace(0);
    // The new log repeats an event of the old one, at another sequence.
    world.append(0, &[report(v7(2)), report(v7(3))]).await;
    world.until(EVENTS, 3).await;
    world
        .until("select duplicate from progress where partition = 0", 1)
        .await;
    world
        .until("select seq from progress where partition = 0", 1)
        .await;
    worker.stop().await;
}

#[tokio::test]
async fn a_gap_stops_the_partition() {
    let world = World::new().await;
    let worker = world.worker();
    world.append(0, &[report(v7(1))]).await;
    world.until(EVENTS, 1).await;
    worker.stop().await;
    for n in 2..=3 {
        world.append(0, &[report(v7(n))]).await;
    }
    world.memory.lose(0, 2);
    let worker = world.worker();
    world.append(1, &[report(v7(4))]).await;
    world.until(EVENTS, 2).await;
    worker.until_not_ready().await;
    world
        .until("select seq from progress where partition = 0", 1)
        .await;
    worker.stop().await;
}

#[tokio::test]
async fn a_log_that_takes_nothing_is_read_all_the_same() {
    let world = World::new().await;
    let refused = Report {
        metadata: "no JSON",
        ..report(v7(1))
    };
    world.append(0, &[refused]).await;
    world.append(0, &[report(v7(2))]).await;
    world.memory.set_publishing(Publishing::Fails);
    let worker = world.worker();
    world.until(EVENTS, 1).await;
    world.until("select count(*) from log_outbox", 1).await;
    world.memory.set_publishing(Publishing::Works);
    world.until("select count(*) from log_outbox", 0).await;
    world
        .until("select seq from progress where partition = 0", 3)
        .await;
    worker.stop().await;
}
