//! Single properties of the persist transaction.

use aggregator_worker::decode::Unknown;
use aggregator_worker::persist::{Outcome, PersistError, Persister};
use metering_core::limits::MAX_QUANTITY;
use metering_core::record::{Amend, Report};
use metering_core::{Record, RecordPosition};
use metering_store::progress::Counters;
use metering_store::{outbox, sqlstate, sqlx};
use uuid::Uuid;

use crate::support::{
    PARTITION, books_balance, count, counters, database, dead_letters, decoded, instant, message,
    message_of_raw, persist, persist_all, report, reports, start, v7,
};

#[tokio::test]
async fn duplicates_conflicts_and_late_events() {
    let store = database().await;
    let first = report(v7(1));
    let other_tenant = Report {
        tenant_id: "org_002",
        ..first
    };
    let conflict = Report {
        quantity: 7,
        payload_hash: 2,
        ..first
    };
    let late = Report {
        timestamp_us: instant("0001-01-01T00:00:00Z").timestamp_micros(),
        ..report(Uuid::from_u128(4))
    };
    let last_day = Report {
        timestamp_us: instant("9999-12-31T23:59:59.999999Z").timestamp_micros(),
        ..report(v7(3))
    };
    let log = [
        reports(&[first, first, other_tenant, conflict]),
        reports(&[first, late, last_day]),
    ];
    let counters = persist_all(&store, &log).await;
    let expected = Counters {
        logged: 7,
        persisted: 4,
        duplicate: 3,
        conflict: 1,
        dead: 0,
    };
    assert_eq!(counters, expected);
    assert_eq!(
        count(&store, "select sum(quantity)::bigint from usage_event").await,
        4
    );
}

#[tokio::test]
async fn damage_is_dead_lettered_and_neighbours_commit() {
    let store = database().await;
    let mut broken = reports(&[report(v7(1))]);
    broken[30] ^= 1;
    let good = report(v7(2));
    let negative = Report {
        quantity: -1,
        ..report(v7(3))
    };
    let nameless = Report {
        tenant_id: "\0",
        metadata: "{\"a\":1e999,",
        ..report(v7(4))
    };
    let log = [
        broken,
        message_of_raw(1, &[(1, vec![1, 2]), (1, Record::Report(good).encode())]),
        message(&[
            Record::Barrier { nonce: v7(9) },
            Record::Report(negative),
            Record::Report(nameless),
        ]),
    ];
    let counters = persist_all(&store, &log).await;
    let expected = Counters {
        logged: 5,
        persisted: 1,
        duplicate: 0,
        conflict: 0,
        dead: 4,
    };
    assert_eq!(counters, expected);
    let letter = |seq, index, code: &str| (seq, index, code.to_owned());
    assert_eq!(
        dead_letters(&store).await,
        [
            letter(1, None, "broken_envelope"),
            letter(2, Some(0), "malformed_record"),
            letter(3, Some(1), "invalid_event"),
            letter(3, Some(2), "invalid_event"),
        ]
    );
    // Their ids are taken: a corrected event needs a new one.
    assert_eq!(count(&store, "select count(*) from event_key").await, 3);
}

#[tokio::test]
async fn the_unknown_stops_before_its_message() {
    let good = reports(&[report(v7(1))]);
    let valid = (1, Record::Report(report(v7(2))).encode());
    let log = [
        good.clone(),
        message_of_raw(1, &[valid, (77, vec![])]),
        good.clone(),
    ];
    let batch = decoded(&log, 0, 3);
    assert_eq!((batch.messages, batch.reports.len()), (1, 1));
    assert!(matches!(
        batch.unknown,
        Some(Unknown::Kind {
            seq: 2,
            index: 1,
            ..
        })
    ));
    let log = [message_of_raw(9, &[]), good];
    let batch = decoded(&log, 0, 2);
    assert_eq!(batch.messages, 0);
    assert!(matches!(
        batch.unknown,
        Some(Unknown::Version { seq: 1, .. })
    ));
}

#[tokio::test]
async fn what_postgres_refuses_is_found_among_thousands() {
    let store = database().await;
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let events: Vec<_> = (0..3000)
        .map(|n| {
            let metadata = match n {
                17 => r#"{"a":"\u0000"}"#,
                18 => r#"{"a":1e200000}"#,
                1500 => &deep,
                2999 => "no JSON",
                _ => r#"{"a":1}"#,
            };
            Report {
                metadata,
                ..report(v7(n))
            }
        })
        .collect();
    let log = [reports(&events)];
    let counters = persist_all(&store, &log).await;
    let expected = Counters {
        logged: 3000,
        persisted: 2996,
        duplicate: 0,
        conflict: 0,
        dead: 4,
    };
    assert_eq!(counters, expected);
    let refused = |index| (1, Some(index), "refused".to_owned());
    assert_eq!(
        dead_letters(&store).await,
        [17, 18, 1500, 2999].map(refused)
    );
    let owed = "select count(*) from log_outbox where kind = 8 and partition = 0";
    assert_eq!(count(&store, owed).await, 4);
    // The keys stay entered: the same events again are duplicates.
    let again = [log[0].clone(), log[0].clone()];
    let mut persister = Persister::new(store.clone());
    persist(&mut persister, &again, 1, 2).await.unwrap();
    assert_eq!(crate::support::counters(&store).await.duplicate, 3000);
    books_balance(&store).await;
}

#[tokio::test]
async fn a_total_never_wraps() {
    let store = database().await;
    let log = [
        reports(&[report(v7(1))]),
        reports(&[
            Report {
                quantity: 5,
                ..report(v7(2))
            },
            Report {
                quantity: MAX_QUANTITY,
                ..report(v7(3))
            },
            Report {
                quantity: 5,
                ..report(v7(4))
            },
        ]),
    ];
    persist_all(&store, &log[..1]).await;
    let near = "update usage_aggregate set total_quantity = 9223372036854775807 - 10";
    sqlx::query(near).execute(store.pool()).await.unwrap();
    let mut persister = Persister::new(store.clone());
    persist(&mut persister, &log, 1, 2).await.unwrap();
    let expected = Counters {
        logged: 4,
        persisted: 3,
        duplicate: 0,
        conflict: 0,
        dead: 1,
    };
    assert_eq!(counters(&store).await, expected);
    assert_eq!(
        dead_letters(&store).await,
        [(2, Some(1), "total_overflow".to_owned())]
    );
    let full = "select count(*) from usage_aggregate where total_quantity = 9223372036854775807";
    assert_eq!(count(&store, full).await, 2);
}

#[tokio::test]
async fn of_two_workers_one_writes() {
    let store = database().await;
    start(&store).await;
    let events: Vec<_> = (0..500).map(|n| report(v7(n))).collect();
    let log = [reports(&events)];
    let mut workers = [Persister::new(store.clone()), Persister::new(store.clone())];
    let [a, b] = &mut workers;
    let (a, b) = tokio::join!(persist(a, &log, 0, 1), persist(b, &log, 0, 1));
    let outcomes = [a.unwrap(), b.unwrap()];
    let overtaken = outcomes
        .iter()
        .filter(|o| **o == Outcome::Overtaken)
        .count();
    assert_eq!(overtaken, 1, "{outcomes:?}");
    let expected = Counters {
        logged: 500,
        persisted: 500,
        ..Counters::default()
    };
    assert_eq!(counters(&store).await, expected);
    books_balance(&store).await;
}

#[tokio::test]
async fn a_day_table_that_was_taken_away_is_made_again() {
    let store = database().await;
    start(&store).await;
    let log = [reports(&[report(v7(1))]), reports(&[report(v7(2))])];
    let mut persister = Persister::new(store.clone());
    persist(&mut persister, &log, 0, 1).await.unwrap();
    sqlx::query("drop table usage_event_20251120")
        .execute(store.pool())
        .await
        .unwrap();
    let error = persist(&mut persister, &log, 1, 2).await.unwrap_err();
    let PersistError::Database(error) = error else {
        panic!("{error}")
    };
    assert_eq!(sqlstate(&error).as_deref(), Some("23514"));
    assert_eq!(counters(&store).await.logged, 1);
    persist(&mut persister, &log, 1, 2).await.unwrap();
    let expected = Counters {
        logged: 2,
        persisted: 2,
        ..Counters::default()
    };
    assert_eq!(counters(&store).await, expected);
}

#[tokio::test]
async fn a_locked_table_is_waited_for() {
    let store = database().await;
    start(&store).await;
    let log = [reports(&[report(v7(1))])];
    let mut locker = store.pool().begin().await.unwrap();
    sqlx::query("lock table usage_event in access exclusive mode")
        .execute(&mut *locker)
        .await
        .unwrap();
    let mut persister = Persister::new(store.clone());
    let waiting = "select count(*) from pg_locks where not granted and database =
        (select oid from pg_database where datname = current_database())";
    let unlock = async {
        while count(&store, waiting).await == 0 {}
        locker.commit().await.unwrap();
    };
    let (outcome, ()) = tokio::join!(persist(&mut persister, &log, 0, 1), unlock);
    assert!(matches!(outcome.unwrap(), Outcome::Committed { .. }));
    books_balance(&store).await;
}

/// Messages behind which the quotas may have forgotten an id.
const NEAR: usize = 28;

#[tokio::test]
async fn a_repeat_from_far_back_is_corrected_and_a_near_one_is_not() {
    let store = database().await;
    let mut log = vec![reports(&[report(v7(1)), report(v7(2))])];
    log.extend((1..NEAR).map(|n| reports(&[report(v7(10 + n as u128))])));
    // As near as can be, and one message too far. The other record shows that indices count.
    log.push(reports(&[report(v7(1))]));
    log.push(reports(&[report(v7(90)), report(v7(2))]));
    let counters = persist_all(&store, &log).await;
    assert_eq!((counters.duplicate, counters.conflict), (2, 0));
    let mut conn = store.pool().acquire().await.unwrap();
    let owed = outbox::list(&mut conn, PARTITION, 10).await.unwrap();
    let position = RecordPosition {
        partition: PARTITION,
        seq: NEAR as u64 + 2,
        index: 1,
    };
    let [correct] = &owed[..] else {
        panic!("{owed:?}")
    };
    let record = Record::decode(correct.kind, &correct.payload).unwrap();
    let Record::Correct(Amend {
        position: found, ..
    }) = record
    else {
        panic!("{record:?}")
    };
    assert_eq!(found, position);
}
