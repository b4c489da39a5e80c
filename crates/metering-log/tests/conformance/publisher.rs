//! What the publisher owes its callers.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::join_all;
use metering_core::Record;
use metering_core::envelope::{EncodedRecord, Envelope};
use metering_log::memory::Publishing;
use metering_log::{
    AppendError, MemoryBackend, Priority, Publisher, PublisherConfig, SharedBackend,
};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[expect(clippy::disallowed_methods, reason = "the envelopes need some time")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

pub(crate) async fn publisher(
    log: &SharedBackend,
    timeout: Duration,
) -> (Publisher, CancellationToken) {
    let shutdown = CancellationToken::new();
    let config = PublisherConfig {
        generation: 1,
        partitions: 1,
        boot_id: Uuid::new_v4(),
        publish_timeout: timeout,
        clock: now,
    };
    (
        Publisher::start(log.clone(), config, shutdown.clone())
            .await
            .unwrap(),
        shutdown,
    )
}

pub(crate) fn barrier(n: usize) -> EncodedRecord {
    EncodedRecord::new(&Record::Barrier {
        nonce: Uuid::from_u128(n as u128),
    })
}

fn bulky(bytes: usize) -> EncodedRecord {
    let json = "x".repeat(bytes);
    EncodedRecord::new(&Record::Rules(metering_core::record::Document {
        id: Uuid::nil(),
        version: 1,
        json: &json,
    }))
}

/// The nonces of all barriers in the log, in its order.
async fn barriers(log: &SharedBackend) -> Vec<usize> {
    let mut found = Vec::new();
    for seq in 1..=log.info(0).await.unwrap().last_seq {
        let message = log.get(0, seq).await.unwrap().unwrap();
        for record in Envelope::decode(&message.payload).unwrap().records() {
            if let Record::Barrier { nonce } = record.unwrap() {
                found.push(usize::try_from(nonce.as_u128()).unwrap());
            }
        }
    }
    found
}

pub(crate) async fn every_append_is_stored_once_and_in_its_order(log: SharedBackend) {
    let (publisher, _) = publisher(&log, Duration::from_secs(5)).await;
    let callers = (0..200_usize).map(|caller| {
        let publisher = publisher.clone();
        async move {
            for n in 0..5 {
                let records = vec![
                    barrier(caller * 100 + n * 2),
                    barrier(caller * 100 + n * 2 + 1),
                ];
                publisher
                    .append(0, records, Priority::Report)
                    .await
                    .unwrap();
            }
        }
    });
    join_all(callers).await;
    let found = barriers(&log).await;
    assert_eq!(found.len(), 2000);
    for caller in 0..200 {
        let of_caller: Vec<_> = found
            .iter()
            .filter(|n| *n / 100 == caller)
            .map(|n| n % 100)
            .collect();
        assert_eq!(of_caller, (0..10).collect::<Vec<_>>());
    }
    // 200 callers share envelopes: at least 20 a message on average.
    assert!(
        publisher.envelopes(0) <= 50,
        "{} envelopes for 1000 appends",
        publisher.envelopes(0)
    );
}

pub(crate) async fn a_large_append_is_split(log: SharedBackend) {
    let (publisher, _) = publisher(&log, Duration::from_secs(5)).await;
    let records = (0..5).map(|_| bulky(200_000)).chain([barrier(1)]).collect();
    let appended = publisher
        .append(0, records, Priority::Report)
        .await
        .unwrap();
    assert_eq!((appended.seq, publisher.envelopes(0)), (3, 3));
    assert_eq!(appended.incarnation, log.info(0).await.unwrap().incarnation);
    assert_eq!(barriers(&log).await, [1]);
}

pub(crate) async fn reports_are_refused_before_the_end(log: SharedBackend) {
    let (publisher, _) = publisher(&log, Duration::from_secs(5)).await;
    let refused = async {
        loop {
            if publisher
                .append(0, vec![bulky(100_000)], Priority::Report)
                .await
                == Err(AppendError::Full)
            {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refused)
        .await
        .unwrap();
    let full = log.info(0).await.unwrap();
    // Trimming makes room, and the publisher notices by itself.
    log.purge(0, full.last_seq).await.unwrap();
    let taken = async {
        while publisher
            .append(0, vec![barrier(1)], Priority::Report)
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), taken)
        .await
        .unwrap();
}

pub(crate) async fn what_is_queued_is_sent_before_the_end(log: SharedBackend) {
    let (publisher, shutdown) = publisher(&log, Duration::from_secs(5)).await;
    let mut appends = JoinSet::new();
    for n in 0..50 {
        let publisher = publisher.clone();
        appends.spawn(async move {
            publisher
                .append(0, vec![barrier(n)], Priority::Report)
                .await
        });
    }
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    publisher.drained().await;
    let stored = appends.join_all().await.into_iter().flatten().count();
    assert_eq!(barriers(&log).await.len(), stored);
    assert_eq!(
        publisher
            .append(0, vec![barrier(99)], Priority::Report)
            .await,
        Err(AppendError::Unavailable)
    );
}

#[tokio::test]
async fn one_envelope_is_in_flight_and_the_next_collects() {
    let memory = MemoryBackend::new();
    let log: SharedBackend = Arc::new(memory.clone());
    let (publisher, _) = publisher(&log, Duration::from_secs(30)).await;
    memory.set_publishing(Publishing::Waits);
    let appends =
        join_all((0..100).map(|n| publisher.append(0, vec![barrier(n)], Priority::Report)));
    let release = async {
        while publisher.envelopes(0) == 0 {
            tokio::task::yield_now().await;
        }
        memory.set_publishing(Publishing::Works);
    };
    let (results, ()) = tokio::join!(appends, release);
    assert!(results.iter().all(Result::is_ok));
    assert!(publisher.envelopes(0) <= 2, "{}", publisher.envelopes(0));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_unknown_and_the_breaker_opens_and_closes() {
    let memory = MemoryBackend::new();
    let log: SharedBackend = Arc::new(memory.clone());
    let (publisher, _) = publisher(&log, Duration::from_secs(2)).await;
    memory.set_publishing(Publishing::LosesAnswer);
    assert_eq!(
        publisher
            .append(0, vec![barrier(1)], Priority::Report)
            .await,
        Err(AppendError::Unknown)
    );
    assert_eq!(
        publisher
            .append(0, vec![barrier(2)], Priority::Report)
            .await,
        Err(AppendError::Unavailable)
    );
    memory.set_publishing(Publishing::Works);
    tokio::time::advance(Duration::from_millis(1100)).await;
    publisher
        .append(0, vec![barrier(1)], Priority::Report)
        .await
        .unwrap();
    // Stored twice, in two envelopes: the ids tell the worker that it is one event.
    assert_eq!(barriers(&log).await, [1, 1]);
    assert_eq!(memory.len(0), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_behind_an_envelope_that_hangs() {
    let memory = MemoryBackend::new();
    let log: SharedBackend = Arc::new(memory.clone());
    let (publisher, _) = publisher(&log, Duration::from_secs(2)).await;
    memory.set_publishing(Publishing::Waits);
    let append = |n| publisher.append(0, vec![barrier(n)], Priority::Report);
    let asked = Instant::now();
    let later = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        append(2).await
    };
    let (first, second) = tokio::join!(append(1), later);
    assert_eq!(first, Err(AppendError::Unknown));
    assert_eq!(second, Err(AppendError::Unavailable));
    assert_eq!(asked.elapsed().as_secs(), 2);
    // Once the pause is over one append finds out for all.
    tokio::time::advance(Duration::from_millis(1100)).await;
    let asked = Instant::now();
    let (probe, other) = tokio::join!(append(3), async {
        let refused = append(4).await;
        (refused, asked.elapsed())
    });
    assert_eq!(probe, Err(AppendError::Unknown));
    assert_eq!(other, (Err(AppendError::Unavailable), Duration::ZERO));
    tokio::time::advance(Duration::from_millis(1100)).await;
    memory.set_publishing(Publishing::Works);
    append(5).await.unwrap();
    append(6).await.unwrap();
    assert_eq!(barriers(&log).await, [5, 6]);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_is_not_called_unknown_and_a_dropped_caller_harms_nobody() {
    let memory = MemoryBackend::new();
    let log: SharedBackend = Arc::new(memory.clone());
    let (publisher, _) = publisher(&log, Duration::from_secs(2)).await;
    memory.set_publishing(Publishing::Fails);
    let append = |n| publisher.append(0, vec![barrier(n)], Priority::Report);
    assert_eq!(append(1).await, Err(AppendError::Unavailable));
    tokio::time::advance(Duration::from_millis(1100)).await;
    memory.set_publishing(Publishing::Waits);
    let dropped = tokio::time::timeout(Duration::from_millis(500), append(2)).await;
    assert!(dropped.is_err());
    memory.set_publishing(Publishing::Works);
    while append(3).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(barriers(&log).await, [2, 3]);
}
