//! Reads that wait for writes.

use axum::http::StatusCode;
use metering_core::receipt::{ReceiptPart, receipt_key, seal};
use service_kit::health::Health;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{INCARNATION, SECRET, World, used};

const PATH: &str =
    "/v1/meter/aggregates?window=none&from=2025-11-20T00:00:00Z&to=2025-11-21T00:00:00Z";

fn receipt(incarnation: Uuid, parts: &[(u16, u64)]) -> String {
    let part = |&(partition, seq)| ReceiptPart {
        incarnation,
        partition,
        seq,
    };
    seal(
        &receipt_key(SECRET),
        &parts.iter().map(part).collect::<Vec<_>>(),
    )
}

/// Runs `test` beside the poller.
async fn with_poller(test: impl AsyncFnOnce(&World, &str)) {
    let world = World::new().await;
    let admin = world.key(&[service_kit::auth::Scope::Admin], None);
    let shutdown = CancellationToken::new();
    let health = Health::default();
    let poller = query_api::run(world.state.clone(), &health, shutdown.clone());
    let test = async {
        Box::pin(test(&world, &admin)).await;
        health.wait_ready().await;
        shutdown.cancel();
    };
    tokio::join!(poller, test);
}

#[tokio::test]
async fn a_read_waits_for_all_parts_of_its_receipt() {
    with_poller(async |world, key| {
        let receipt = receipt(INCARNATION, &[(0, 2), (1, 1)]);
        let query = format!("{PATH}&receipt={receipt}");
        let (by_header, by_parameter, ()) = tokio::join!(
            world.get_as(key, PATH, Some(&receipt)),
            world.get_as(key, &query, None),
            async {
                world
                    .persist(0, 1, &[used(1, "2025-11-20T10:00:00Z")])
                    .await;
                world
                    .persist(1, 1, &[used(2, "2025-11-20T10:00:00Z")])
                    .await;
                world
                    .persist(0, 2, &[used(3, "2025-11-20T10:00:00Z")])
                    .await;
            }
        );
        for answer in [by_header, by_parameter] {
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
            assert_eq!(answer.json["totals"]["event_count"], 3);
        }
        let events = "/v1/meter/events?from=2025-11-20T00:00:00Z&to=2025-11-21T00:00:00Z";
        assert_eq!(
            world.get_as(key, events, Some(&receipt)).await.status,
            StatusCode::OK
        );
    })
    .await;
}

#[tokio::test]
async fn what_does_not_come_is_not_yet_visible() {
    with_poller(async |world, key| {
        world
            .persist(0, 1, &[used(1, "2025-11-20T10:00:00Z")])
            .await;
        let receipts = [
            receipt(INCARNATION, &[(0, 2)]),
            receipt(INCARNATION, &[(0, 1), (5, 1)]),
            // A log that was replaced.
            receipt(Uuid::from_u128(5), &[(0, 1)]),
        ];
        let [a, b, c] = receipts
            .each_ref()
            .map(|receipt| world.get_as(key, PATH, Some(receipt)));
        let answers = tokio::join!(a, b, c);
        for answer in [answers.0, answers.1, answers.2] {
            assert_eq!(
                (answer.status, answer.code()),
                (StatusCode::SERVICE_UNAVAILABLE, "not_yet_visible")
            );
            assert_eq!(answer.headers["retry-after"], "1");
        }
    })
    .await;
}

#[tokio::test]
async fn only_this_deployments_receipts_are_honoured() {
    let world = World::new().await;
    let key = world.key(&[service_kit::auth::Scope::Read], None);
    let foreign = seal(&receipt_key("another secret"), &[]);
    let cursor = metering_core::signed::SigningKey::derive(SECRET, "meterd cursor 1").seal(b"\0");
    for bad in ["x", &foreign, &cursor] {
        let answer = world.get_as(&key, PATH, Some(bad)).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "invalid_receipt"),
            "{bad}"
        );
        let answer = world.get(&format!("{PATH}&receipt={bad}")).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "invalid_receipt"),
            "{bad}"
        );
    }
    let twice = world
        .get_as(&key, &format!("{PATH}&receipt=x"), Some("x"))
        .await;
    assert_eq!(
        (twice.status, twice.code()),
        (StatusCode::BAD_REQUEST, "invalid_parameter")
    );
}
