//! `POST /v1/meter/events` with JSON.

use std::collections::HashMap;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use metering_core::receipt;
use metering_core::record::Report;
use metering_log::Backend as _;
use metering_log::memory::Publishing;
use serde_json::{Value, json};
use service_kit::key::{ApiKeySecret, Scope};
use service_kit::keys::STALE_AFTER;
use tokio::time::Instant;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::support::{World, add_key, event};

#[tokio::test]
async fn a_batch_is_told_apart_event_by_event() {
    let world = World::new(&["--gateway-max-body-bytes=20000", "--gateway-max-events=5"]).await;
    let batch = json!({ "events": [
        event("acme", 1, 1), event("acme", 1, 1), event("acme", 2, -1), event("other", 1, 1),
    ]});
    let (status, answer) = world.ingest(batch.to_string()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    assert_eq!(answer["accepted"], 2);
    assert_eq!(answer["duplicates"], 1);
    assert_eq!(answer["durability"], "fsync");
    assert_eq!(answer["rejected"][0]["index"], 2);
    assert_eq!(answer["rejected"][0]["code"], "invalid_quantity");
    assert_eq!(answer.get("ids"), None);
    let key = receipt::receipt_key("secret");
    let parts = receipt::open(&key, answer["receipt"].as_str().unwrap()).unwrap();
    for part in parts {
        let info = world.log.info(part.partition).await.unwrap();
        assert_eq!(
            (part.incarnation, part.seq),
            (info.incarnation, info.last_seq)
        );
    }
    let mut reports = world.reports().await;
    reports.sort();
    let id = Uuid::from_u128(1);
    assert_eq!(reports, [("acme".to_owned(), id), ("other".to_owned(), id)]);
}

#[tokio::test]
async fn an_idempotency_key_makes_the_same_ids_again() {
    let world = World::new(&["--gateway-max-body-bytes=20000", "--gateway-max-events=5"]).await;
    let batch = json!([{ "tenant_id": "t", "resource": "r", "feature": "f" },
                       { "tenant_id": "t", "resource": "r", "feature": "g" }]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let request = world
            .post()
            .header("Idempotency-Key", "k1")
            .body(batch.to_string().into());
        let (_, answer) = world.send(request.unwrap()).await;
        ids.push(answer["ids"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0].as_array().unwrap().len(), 2);
    let (_, answer) = world.ingest(batch.to_string()).await;
    assert_ne!(answer["ids"], ids[0]);
}

#[tokio::test]
async fn two_payloads_under_one_id_are_both_refused() {
    let world = World::new(&["--gateway-max-body-bytes=20000", "--gateway-max-events=5"]).await;
    let batch = json!([event("t", 1, 1), event("t", 1, 2), event("t", 2, 1)]);
    let (_, answer) = world.ingest(batch.to_string()).await;
    assert_eq!(
        (&answer["accepted"], &answer["rejected"][1]["code"]),
        (&json!(1), &json!("id_conflict"))
    );
    assert_eq!(world.reports().await.len(), 1);
}

#[tokio::test]
async fn atomic_is_all_or_nothing() {
    let world = World::new(&["--gateway-max-body-bytes=20000", "--gateway-max-events=5"]).await;
    let send = |query: &str, batch: Value| {
        let request = world.post().uri(format!("/v1/meter/events?{query}"));
        world.send(request.body(batch.to_string().into()).unwrap())
    };
    let mixed = json!([event("t", 1, 1), event("t", 2, -1)]);
    let (status, answer) = send("atomic=true", mixed.clone()).await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("not_atomic"))
    );
    assert_eq!(world.reports().await.len(), 0);
    assert_eq!(send("atomic=false", mixed).await.0, StatusCode::ACCEPTED);
    assert_eq!(
        send("atomic=maybe", json!([event("t", 1, 1)])).await.1["code"],
        "invalid_parameter"
    );
}

#[tokio::test]
async fn bad_bodies_get_their_codes_and_leave_nothing() {
    let world = World::new(&["--gateway-max-body-bytes=20000", "--gateway-max-events=5"]).await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let large = format!("[\"{}\"]", "x".repeat(20_000));
    let good = r#"{"tenant_id":"t","resource":"r","feature":"f"}"#;
    for (body, status, code) in [
        ("", 400, "empty_body"),
        ("{", 400, "invalid_json"),
        ("\u{feff}[]", 400, "invalid_json"),
        ("7", 400, "invalid_shape"),
        ("[]", 422, "empty_batch"),
        ("[7]", 422, "all_rejected"),
        ("[1,2,3,4,5,6]", 413, "batch_too_large"),
        (&deep, 400, "too_deep"),
        (&large, 413, "body_too_large"),
        (
            r#"{"tenant_id":"t","tenant_id":"t"}"#,
            400,
            "duplicate_field",
        ),
        (r#"{"tenant_id":"t"}"#, 422, "missing_field"),
        (
            &good.replace("\"r\"", "\"\\u0000\""),
            422,
            "invalid_identifier",
        ),
        (&good.replace("\"f\"", "\"a b\""), 422, "invalid_identifier"),
    ] {
        let (found, answer) = world.ingest(body.to_owned()).await;
        let shown = &body[..body.len().min(40)];
        assert_eq!(
            (found.as_u16(), answer["code"].as_str()),
            (status, Some(code)),
            "{shown}: {answer}"
        );
        assert!(
            answer["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
    }
    let form = Request::post("/v1/meter/events").header("x-api-key", &world.key);
    let form = form.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    assert_eq!(
        world.send(form.body(good.into()).unwrap()).await.1["code"],
        "unsupported_media_type"
    );
    let packed = world
        .post()
        .header(header::CONTENT_ENCODING, "br")
        .body(good.into())
        .unwrap();
    assert_eq!(world.send(packed).await.1["code"], "unsupported_encoding");
    assert_eq!(world.reports().await.len(), 0);
}

#[tokio::test]
async fn only_a_key_that_may_ingest_gets_in_and_only_for_its_tenant() {
    let mut world = World::new(&["--gateway-max-body-bytes=20000", "--gateway-max-events=5"]).await;
    let body = json!([event("acme", 1, 1), event("other", 2, 1)]).to_string();
    let good = world.key.clone();
    let unknown = ApiKeySecret::generate().as_str().to_owned();
    let reader = add_key(&world.keys, &[Scope::Read], None);
    let bound = add_key(&world.keys, &[Scope::Ingest], Some("acme"));
    for (key, status, code) in [
        ("", 401, "unauthenticated"),
        ("mk_typo", 401, "invalid_key"),
        (&unknown, 401, "invalid_key"),
        (&reader, 403, "missing_scope"),
        (&bound, 403, "tenant_mismatch"),
    ] {
        world.key = key.to_owned();
        let (found, answer) = world.ingest(body.clone()).await;
        assert_eq!(
            (found.as_u16(), answer["code"].as_str()),
            (status, Some(code)),
            "{key}"
        );
    }
    assert_eq!(world.reports().await.len(), 0);
    world.key = good;
    assert_eq!(world.ingest(body.clone()).await.0, StatusCode::ACCEPTED);
    let long_ago = Instant::now().checked_sub(STALE_AFTER).unwrap();
    world.keys.replace(HashMap::new(), long_ago);
    assert_eq!(world.ingest(body).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_unconfirmed_append_is_503_and_names_what_is_unknown() {
    let world = World::new(&["--gateway-max-body-bytes=20000", "--gateway-max-events=5"]).await;
    world.log.set_publishing(Publishing::LosesAnswer);
    let body = json!([event("acme", 1, 1), event("acme", 2, -1)]).to_string();
    let response = world
        .router
        .clone()
        .oneshot(world.post().body(Body::from(body.clone())).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    let body_bytes = response.into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&body_bytes).unwrap();
    assert_eq!(answer["outcomes"], json!(["unknown", "rejected"]));
    assert_eq!(answer["ids"], json!([Uuid::from_u128(1), null]));
    // It had arrived all the same; the retry brings it a second time, for the worker to find.
    world.log.set_publishing(Publishing::Works);
    while world.ingest(body.clone()).await.0 != StatusCode::ACCEPTED {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.reports().await.len(), 2);
}

#[tokio::test]
async fn a_clients_trace_goes_into_the_log() {
    let world = World::new(&[]).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = world
        .post()
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-00"));
    let body = event("acme", 1, 1).to_string();
    let response = world.router.clone();
    let response = response
        .oneshot(request.body(Body::from(body)).unwrap())
        .await;
    let response = response.unwrap();
    let answered = response.headers()["traceparent"].to_str().unwrap();
    let (start, end) = answered.split_at("00-".len() + trace.len() + 1);
    assert_eq!(start, format!("00-{trace}-"));
    assert!(end.ends_with("-00") && !end.starts_with("b7ad6b7169203331"));
    assert!(response.headers().contains_key("x-request-id"));
    let mut traces = Vec::new();
    let see = |report: &Report<'_>| traces.push(report.request_id.simple().to_string());
    world.for_each_report(see).await;
    assert_eq!(traces, [trace]);
}
