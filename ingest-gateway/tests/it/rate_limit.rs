//! What a key may send a second.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use service_kit::key::Scope;
use tower::ServiceExt as _;

use crate::support::{World, add_key, event};

async fn send(world: &World, events: usize) -> (StatusCode, HeaderMap, Value) {
    let batch: Vec<_> = (0..events)
        .map(|n| event("acme", n as u128 + 1, 1))
        .collect();
    let request = world
        .post()
        .body(Body::from(json!(batch).to_string()))
        .unwrap();
    let answer = world.router.clone().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        parts.status,
        parts.headers,
        serde_json::from_slice(&body).unwrap(),
    )
}

#[tokio::test]
async fn events_are_counted_against_their_key() {
    let mut world = World::new(&["--gateway-rate-limit=1", "--gateway-rate-burst=10"]).await;
    let (status, headers, _) = send(&world, 8).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(headers["ratelimit-policy"], "\"events\";q=10;w=10");
    assert_eq!(headers["ratelimit"], "\"events\";r=2;t=8");

    // Whatever is answered, the fields are there; a bad request costs an event.
    let (status, headers, answer) = send(&world, 0).await;
    assert_eq!(
        (status.as_u16(), &answer["code"]),
        (422, &json!("empty_batch"))
    );
    assert!(headers.contains_key("ratelimit"), "{headers:?}");

    let before = world.reports().await.len();
    let (status, headers, answer) = send(&world, 8).await;
    assert_eq!(
        (status.as_u16(), &answer["code"]),
        (429, &json!("rate_limited"))
    );
    let wait: u64 = headers[header::RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=8).contains(&wait), "{wait}");
    assert_eq!(headers["ratelimit-policy"], "\"events\";q=10;w=10");
    assert_eq!(world.reports().await.len(), before);

    // Another key has its own. A batch that no patience gets through is told so.
    world.key = add_key(&world.keys, &[Scope::Ingest], None);
    let (status, _, answer) = send(&world, 11).await;
    let told = (status.as_u16(), &answer["code"]);
    assert_eq!(told, (413, &json!("batch_too_large")), "{answer}");
    world.key = add_key(&world.keys, &[Scope::Ingest], None);
    assert_eq!(send(&world, 10).await.0, StatusCode::ACCEPTED);
    let free = World::new(&[]).await;
    let (status, headers, _) = send(&free, 11).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert!(!headers.contains_key("ratelimit-policy"));
}

/// Who has waited as long as the answer says gets through: the waiting is what is tested.
#[tokio::test]
async fn retry_after_is_enough() {
    let world = World::new(&["--gateway-rate-limit=10", "--gateway-rate-burst=10"]).await;
    assert_eq!(send(&world, 10).await.0, StatusCode::ACCEPTED);
    let (status, headers, _) = send(&world, 10).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let wait = headers[header::RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
    assert_eq!(send(&world, 10).await.0, StatusCode::ACCEPTED);
}
