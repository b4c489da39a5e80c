//! The rules of the log, held against memory and against a real nats-server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod broker;
mod publisher;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metering_core::Position;
use metering_core::position::message_hash;
use metering_log::{
    BackendError, BatchLimits, Delivery, MemoryBackend, NatsBackend, NatsConfig, Reader,
    ReaderError, SharedBackend, partitions, trimmer,
};
use uuid::Uuid;

use publisher::{
    a_large_append_is_split, every_append_is_stored_once_and_in_its_order,
    reports_are_refused_before_the_end, what_is_queued_is_sent_before_the_end,
};

const ONE_BY_ONE: BatchLimits = BatchLimits {
    max_records: 1,
    max_bytes: usize::MAX,
    max_wait: Duration::from_secs(5),
};

/// A backend whose streams nobody else uses.
async fn nats(max_bytes: i64) -> SharedBackend {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests find their servers in the environment"
    )]
    let variable = |name: &str| {
        std::env::var(name)
            .unwrap_or_else(|_| panic!("{name} is not set: run the tests with `make test`"))
    };
    let config = NatsConfig {
        url: variable("METERD_NATS_URL"),
        monitor_url: Some(variable("METERD_NATS_MONITOR_URL")),
        generation: u32::from_le_bytes(Uuid::new_v4().as_bytes()[..4].try_into().unwrap()),
        replicas: 1,
        max_bytes_per_partition: max_bytes,
        timeout: Duration::from_secs(5),
        allow_async_durability: false,
    };
    Arc::new(NatsBackend::connect(config).await.unwrap())
}

#[expect(clippy::unused_async, reason = "has the signature of its twin")]
async fn memory(max_bytes: i64) -> SharedBackend {
    Arc::new(MemoryBackend::with_max_bytes(max_bytes.cast_unsigned()))
}

macro_rules! on_both {
    ($($name:ident($max_bytes:expr))*) => {
        mod on_memory { $(#[tokio::test] async fn $name() { super::$name(super::memory($max_bytes).await).await })* }
        mod on_nats { $(#[tokio::test] async fn $name() { super::$name(super::nats($max_bytes).await).await })* }
    };
}

on_both! {
    whoever_finds_a_log_finds_all_of_it(64 << 20)
    numbers_without_gaps_and_knows_repeats(64 << 20)
    refuses_what_does_not_fit(100_000)
    a_purge_moves_the_beginning(64 << 20)
    a_reader_sees_everything_in_order_while_it_is_written(64 << 20)
    a_reader_goes_on_from_its_position(64 << 20)
    a_reader_refuses_another_log(64 << 20)
    a_reader_finds_that_the_beginning_is_gone(64 << 20)
    every_append_is_stored_once_and_in_its_order(64 << 20)
    a_large_append_is_split(64 << 20)
    reports_are_refused_before_the_end(2_000_000)
    what_is_queued_is_sent_before_the_end(64 << 20)
}

async fn numbers_without_gaps_and_knows_repeats(log: SharedBackend) {
    assert!(matches!(
        log.info(0).await,
        Err(BackendError::NoSuchStream(0))
    ));
    let made = log.ensure(0).await.unwrap();
    assert_eq!((made.first_seq, made.last_seq), (1, 0));
    assert_eq!(log.ensure(0).await.unwrap().incarnation, made.incarnation);
    for n in 1..=5 {
        assert_eq!(
            log.publish(0, format!("m{n}"), Bytes::from("x"))
                .await
                .unwrap(),
            n
        );
    }
    assert_eq!(
        log.publish(0, "m2".into(), Bytes::from("another"))
            .await
            .unwrap(),
        2
    );
    assert_eq!(log.info(0).await.unwrap().last_seq, 5);
    assert_eq!(
        log.get(0, 2).await.unwrap().unwrap().payload,
        Bytes::from("x")
    );
    assert_eq!(log.get(0, 6).await.unwrap(), None);
    assert_ne!(log.ensure(1).await.unwrap().incarnation, made.incarnation);
}

async fn whoever_finds_a_log_finds_all_of_it(log: SharedBackend) {
    let maker = partitions::open(log.as_ref(), 12);
    let finder = async {
        while log.info(0).await.is_err() {
            tokio::task::yield_now().await;
        }
        partitions::open(log.as_ref(), 5).await
    };
    let (made, found) = tokio::join!(maker, finder);
    assert_eq!((made.unwrap(), found.unwrap()), (12, 12));
}

async fn refuses_what_does_not_fit(log: SharedBackend) {
    log.ensure(0).await.unwrap();
    log.publish(0, "a".into(), vec![0; 60_000].into())
        .await
        .unwrap();
    assert!(matches!(
        log.publish(0, "b".into(), vec![0; 60_000].into()).await,
        Err(BackendError::Full)
    ));
    assert_eq!(
        log.publish(0, "c".into(), vec![0; 10_000].into())
            .await
            .unwrap(),
        2
    );
}

async fn a_purge_moves_the_beginning(log: SharedBackend) {
    let incarnation = log.ensure(0).await.unwrap().incarnation;
    for n in 1..=10 {
        log.publish(0, format!("m{n}"), Bytes::from("x"))
            .await
            .unwrap();
    }
    let at = |seq| Position {
        incarnation,
        seq,
        hash: 0,
    };
    trimmer::trim(&log, 0, &[at(9), at(7)], 3).await.unwrap();
    trimmer::trim(&log, 0, &[at(9), at(7)], 3).await.unwrap();
    let info = log.info(0).await.unwrap();
    assert_eq!((info.first_seq, info.last_seq), (5, 10));
    assert_eq!(log.get(0, 4).await.unwrap(), None);
    assert_eq!(
        log.publish(0, "m11".into(), Bytes::from("x"))
            .await
            .unwrap(),
        11
    );
}

async fn a_reader_sees_everything_in_order_while_it_is_written(log: SharedBackend) {
    let start = Position::start(log.ensure(0).await.unwrap().incarnation);
    let mut reader = Reader::open(log.clone(), 0, start).await.unwrap();
    let writing = async {
        for n in 0..300_u32 {
            log.publish(0, format!("m{n}"), Bytes::from(n.to_string()))
                .await
                .unwrap();
        }
    };
    let reading = async {
        let mut seen = Vec::new();
        while seen.len() < 300 {
            let limits = BatchLimits {
                max_records: 7,
                max_bytes: 1 << 20,
                max_wait: Duration::from_millis(3),
            };
            let batch = reader.next_batch(limits).await.unwrap();
            assert!((1..=7).contains(&batch.len()));
            seen.extend(batch);
        }
        seen
    };
    let ((), seen) = tokio::join!(writing, reading);
    for (n, delivery) in seen.iter().enumerate() {
        assert_eq!(
            (delivery.seq, &delivery.payload),
            (n as u64 + 1, &Bytes::from(n.to_string()))
        );
        assert_eq!(delivery.hash, message_hash(&delivery.payload));
    }
    assert_eq!(reader.lag().await.unwrap(), 0);
}

async fn a_reader_goes_on_from_its_position(log: SharedBackend) {
    let start = Position::start(log.ensure(0).await.unwrap().incarnation);
    for n in 1..=4 {
        log.publish(0, format!("m{n}"), Bytes::from(n.to_string()))
            .await
            .unwrap();
    }
    let mut reader = Reader::open(log.clone(), 0, start).await.unwrap();
    reader.next_batch(ONE_BY_ONE).await.unwrap();
    let second = reader.next_batch(ONE_BY_ONE).await.unwrap().remove(0);
    assert_eq!(reader.lag().await.unwrap(), 2);
    let position = Position {
        seq: second.seq,
        hash: second.hash,
        ..start
    };
    let mut again = Reader::open(log.clone(), 0, position).await.unwrap();
    assert_eq!(again.next_batch(ONE_BY_ONE).await.unwrap()[0].seq, 3);
}

async fn a_reader_refuses_another_log(log: SharedBackend) {
    let incarnation = log.ensure(0).await.unwrap().incarnation;
    log.publish(0, "m1".into(), Bytes::from("1")).await.unwrap();
    let good = Position {
        incarnation,
        seq: 1,
        hash: message_hash(b"1"),
    };
    let open = |position| Reader::open(log.clone(), 0, position);
    assert!(open(good).await.is_ok());
    let other = Position {
        incarnation: Uuid::new_v4(),
        ..good
    };
    assert!(matches!(
        open(other).await,
        Err(ReaderError::Incarnation { .. })
    ));
    assert!(matches!(
        open(Position { hash: 7, ..good }).await,
        Err(ReaderError::Hash { seq: 1, .. })
    ));
    assert!(matches!(
        open(Position { seq: 2, ..good }).await,
        Err(ReaderError::Hash { seq: 2, .. })
    ));
}

async fn a_reader_finds_that_the_beginning_is_gone(log: SharedBackend) {
    let start = Position::start(log.ensure(0).await.unwrap().incarnation);
    for n in 1..=4 {
        log.publish(0, format!("m{n}"), Bytes::from("x"))
            .await
            .unwrap();
    }
    log.purge(0, 2).await.unwrap();
    let opened = Reader::open(log.clone(), 0, start).await;
    assert!(matches!(
        opened,
        Err(ReaderError::Gap {
            expected: 1,
            found: 3,
            ..
        })
    ));
    assert!(
        Reader::open(log.clone(), 0, Position { seq: 2, ..start })
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_lost_message_stops_the_reader() {
    let memory = MemoryBackend::new();
    let log: SharedBackend = Arc::new(memory.clone());
    let start = Position::start(log.ensure(0).await.unwrap().incarnation);
    for n in 1..=3 {
        log.publish(0, format!("m{n}"), Bytes::from("x"))
            .await
            .unwrap();
    }
    memory.lose(0, 2);
    let mut reader = Reader::open(log.clone(), 0, start).await.unwrap();
    // What stands before the gap is handed over first, however much the batch could take.
    let limits = BatchLimits {
        max_records: 1000,
        ..ONE_BY_ONE
    };
    let mut seen: Vec<Delivery> = Vec::new();
    let error = loop {
        match reader.next_batch(limits).await {
            Ok(batch) => seen.extend(batch),
            Err(error) => break error,
        }
    };
    assert_eq!(seen.len(), 1);
    assert!(
        matches!(
            error,
            ReaderError::Gap {
                expected: 2,
                found: 3,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_reader_survives_broken_links_and_notices_a_replaced_stream() {
    let memory = MemoryBackend::new();
    let log: SharedBackend = Arc::new(memory.clone());
    let start = Position::start(log.ensure(0).await.unwrap().incarnation);
    let mut reader = Reader::open(log.clone(), 0, start).await.unwrap();
    for n in 1..=3 {
        log.publish(0, format!("m{n}"), Bytes::from("x"))
            .await
            .unwrap();
        memory.break_links();
        assert_eq!(reader.next_batch(ONE_BY_ONE).await.unwrap()[0].seq, n);
    }
    memory.replace(0);
    log.publish(0, "m4".into(), Bytes::from("x")).await.unwrap();
    assert!(matches!(
        reader.next_batch(ONE_BY_ONE).await,
        Err(ReaderError::Incarnation { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn what_was_collected_does_not_wait_for_a_link() {
    let memory = MemoryBackend::new();
    let log: SharedBackend = Arc::new(memory.clone());
    let start = Position::start(log.ensure(0).await.unwrap().incarnation);
    let mut reader = Reader::open(log.clone(), 0, start).await.unwrap();
    let limits = BatchLimits {
        max_records: 10,
        max_bytes: usize::MAX,
        max_wait: Duration::from_hours(1),
    };
    log.publish(0, "m1".into(), Bytes::from("x")).await.unwrap();
    // Collected, and the call that did it is cancelled.
    let cancelled = tokio::time::timeout(Duration::from_secs(1), reader.next_batch(limits)).await;
    assert!(cancelled.is_err());
    memory.break_links();
    let asked = tokio::time::Instant::now();
    assert_eq!(reader.next_batch(limits).await.unwrap()[0].seq, 1);
    assert_eq!(asked.elapsed(), Duration::ZERO);
    log.publish(0, "m2".into(), Bytes::from("x")).await.unwrap();
    assert_eq!(reader.next_batch(ONE_BY_ONE).await.unwrap()[0].seq, 2);
}
