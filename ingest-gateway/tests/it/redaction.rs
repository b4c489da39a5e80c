//! Values that must not get into the log.

use axum::http::StatusCode;
use serde_json::json;

use crate::support::World;

async fn logged(world: &World) -> Vec<(String, i64)> {
    let mut found = Vec::new();
    let see = |report: &metering_core::record::Report<'_>| {
        found.push((report.metadata.to_owned(), report.payload_hash));
    };
    world.for_each_report(see).await;
    found
}

async fn send(world: &World, email: &str) {
    let event = json!({
        "id": "0193a5b0-7c1d-7000-8000-00000000000a", "tenant_id": "t", "resource": "r", "feature": "f",
        "metadata": { "plan": 1, "email": email },
    });
    let (status, answer) = world.ingest(event.to_string()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
}

#[tokio::test]
async fn redacted_values_do_not_reach_the_log_and_retries_are_no_conflicts() {
    let plain = World::new(&[]).await;
    let redacting = World::new(&["--metadata-redact=email,ssn"]).await;
    send(&plain, "a@b.c").await;
    for email in ["a@b.c", "a@b.c", "x@y.z"] {
        send(&redacting, email).await;
    }
    let kept = &logged(&plain).await[0];
    assert_eq!(kept.0, r#"{"email":"a@b.c","plan":1}"#);
    let redacted = logged(&redacting).await;
    assert!(
        redacted[0].0.starts_with(r#"{"email":"redacted:"#),
        "{redacted:?}"
    );
    assert_eq!(redacted[0], redacted[1]);
    assert_ne!(redacted[0].0, redacted[2].0);
    // The hash is that of what was sent, so it tells other values apart, and a retry is one even
    // where redaction was switched on in between; the key keeps anyone from trying values out.
    assert_eq!(kept.1, redacted[0].1);
    assert_ne!(redacted[0].1, redacted[2].1);
    let event = r#"{"id":"0193a5b0-7c1d-7000-8000-00000000000a","tenant_id":"t","resource":"r","feature":"f","metadata":{"email":"a@b.c","plan":1}}"#;
    let event = metering_core::new_event::parse_event(event, service_kit::clock::now()).unwrap();
    assert_ne!(kept.1, event.payload_hash);
}
