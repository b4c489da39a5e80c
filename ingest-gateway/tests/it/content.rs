//! The ways in which events can be written, and their compressions.

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use axum::body::Body;
use axum::http::{StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::support::{World, event};

const NDJSON: &str = "application/x-ndjson";
const CLOUD_EVENT: &str = "application/cloudevents+json";
const CLOUD_EVENT_BATCH: &str = "application/cloudevents-batch+json";

impl World {
    async fn send_as(
        &self,
        media_type: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> (StatusCode, Value) {
        let mut request = self.post();
        let all = request.headers_mut().unwrap();
        all.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Tenant, resource, feature, quantity and metadata of what is in the log.
    async fn logged(&self) -> Vec<(Uuid, [String; 4], i64)> {
        let mut found = Vec::new();
        self.for_each_report(|report| {
            let texts = [
                report.tenant_id,
                report.resource,
                report.feature,
                report.metadata,
            ];
            found.push((report.id, texts.map(str::to_owned), report.quantity));
        })
        .await;
        found.sort();
        found
    }
}

fn cloud_event(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/printer", "type": "com.example.pdf",
        "subject": "org_001", "data": { "feature": "render", "quantity": 3, "color": "red" },
    })
}

#[tokio::test]
async fn an_event_a_line() {
    let world = World::new(&[]).await;
    let body = format!(
        "{}\n\nnonsense\r\n{}\n",
        event("acme", 1, 1),
        event("acme", 2, -1)
    );
    let (status, answer) = world.send_as(NDJSON, &[], body).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    assert_eq!(answer["accepted"], 1);
    let rejected = answer["rejected"].as_array().unwrap();
    let told = rejected
        .iter()
        .map(|r| (r["index"].as_u64(), r["code"].as_str()));
    let expected = [
        (Some(1), Some("invalid_json")),
        (Some(2), Some("invalid_quantity")),
    ];
    assert!(told.eq(expected), "{answer}");
    assert_eq!(world.reports().await.len(), 1);
}

#[tokio::test]
async fn a_cloud_event_is_the_same_in_every_mode() {
    let world = World::new(&[]).await;
    let event = cloud_event("A-1");
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "A-1"),
        ("ce-source", "%2Fprinter"),
        ("ce-type", "com.example.pdf"),
        ("ce-subject", "org_001"),
        ("ce-partitionkey", "7"),
    ];
    for (media_type, headers, body) in [
        (CLOUD_EVENT, &[][..], event.to_string()),
        (CLOUD_EVENT_BATCH, &[], json!([event, event]).to_string()),
        (
            "application/json; charset=utf-8",
            &headers,
            event["data"].to_string(),
        ),
    ] {
        let (status, answer) = world.send_as(media_type, headers, body).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{media_type}: {answer}");
        assert_eq!(answer["accepted"], 1);
        assert_eq!(answer.get("ids"), None);
    }
    let logged = world.logged().await;
    assert_eq!(logged.len(), 3);
    let texts = ["org_001", "com.example.pdf", "render", r#"{"color":"red"}"#].map(str::to_owned);
    for found in &logged {
        assert_eq!(found, &(logged[0].0, texts.clone(), 3));
    }
    let mut hashes = Vec::new();
    world
        .for_each_report(|report| hashes.push(report.payload_hash))
        .await;
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
}

async fn packed<W: AsyncWrite + Unpin>(
    encoder: impl FnOnce(Vec<u8>) -> W,
    into: impl FnOnce(W) -> Vec<u8>,
    body: &[u8],
) -> Vec<u8> {
    let mut writer = encoder(Vec::new());
    writer.write_all(body).await.unwrap();
    writer.shutdown().await.unwrap();
    into(writer)
}

async fn gzip(body: &[u8]) -> Vec<u8> {
    packed(GzipEncoder::new, GzipEncoder::into_inner, body).await
}

async fn zstd(body: &[u8]) -> Vec<u8> {
    packed(ZstdEncoder::new, ZstdEncoder::into_inner, body).await
}

#[tokio::test]
async fn compressed_bodies() {
    let world = World::new(&["--gateway-max-inflated-bytes=100000"]).await;
    let body = |n: u128| json!([event("acme", n, 1)]).to_string().into_bytes();
    let members = [gzip(&body(1)[..9]).await, gzip(&body(1)[9..]).await].concat();
    for (encoding, bytes) in [
        ("gzip", members),
        ("x-gzip", gzip(&body(2)).await),
        ("ZSTD", zstd(&body(3)).await),
        ("identity", body(4)),
    ] {
        let headers = [("content-encoding", encoding)];
        let (status, answer) = world.send_as("application/json", &headers, bytes).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{encoding}: {answer}");
    }
    assert_eq!(world.reports().await.len(), 4);

    // A frame that says it needs a window of 128 MiB.
    let wide_window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00];
    let bomb = vec![b' '; 100_001];
    let good = gzip(&body(5)).await;
    for (encoding, bytes, status, code) in [
        (
            "gzip",
            good[..good.len() - 1].to_vec(),
            400,
            "invalid_encoding",
        ),
        ("gzip", [&good[..], b"x"].concat(), 400, "invalid_encoding"),
        ("gzip", body(5), 400, "invalid_encoding"),
        (
            "zstd",
            zstd(&body(5)).await[..20].to_vec(),
            400,
            "invalid_encoding",
        ),
        ("zstd", body(5), 400, "invalid_encoding"),
        ("zstd", wide_window.to_vec(), 400, "invalid_encoding"),
        ("gzip", gzip(&bomb).await, 413, "body_too_large"),
        ("zstd", zstd(&bomb).await, 413, "body_too_large"),
        ("gzip", gzip(b"").await, 400, "empty_body"),
        ("gzip, gzip", gzip(&good).await, 415, "unsupported_encoding"),
        ("br", body(5), 415, "unsupported_encoding"),
    ] {
        let headers = [("content-encoding", encoding)];
        let (found, answer) = world.send_as("application/json", &headers, bytes).await;
        let told = (found.as_u16(), answer["code"].as_str());
        assert_eq!(told, (status, Some(code)), "{encoding}: {answer}");
    }
    assert_eq!(world.reports().await.len(), 4);
}

/// Large requests are refused while others hold the memory, small ones never.
#[tokio::test]
async fn memory_is_shared_out_and_given_back() {
    let world = World::new(&["--gateway-memory-bytes=300000"]).await;
    let large = json!([{ "tenant_id": "acme", "resource": "r", "feature": "f" }]).to_string();
    let large = format!("{large}{}", " ".repeat(150_000));
    let (sender, body) = stalled(&large);
    let request = world.post().body(body).unwrap();
    let mut held = Box::pin(world.send(request));
    // One poll takes in all that has been sent.
    assert!(futures::poll!(&mut held).is_pending());
    let (status, answer) = world.ingest(large.clone()).await;
    assert_eq!(
        (status.as_u16(), answer["code"].as_str()),
        (503, Some("unavailable"))
    );
    let small = json!([event("acme", 1, 1)]).to_string();
    assert_eq!(world.ingest(small).await.0, StatusCode::ACCEPTED);
    drop(sender);
    assert_eq!(held.await.0, StatusCode::ACCEPTED);
    assert_eq!(world.ingest(large).await.0, StatusCode::ACCEPTED);
}

/// A few bytes can be answered with many, which a client may leave where they are.
#[tokio::test]
async fn long_answers_hold_memory_until_they_are_taken() {
    let world = World::new(&["--gateway-memory-bytes=2500000"]).await;
    let post = || {
        let mut request = world.post();
        let all = request.headers_mut().unwrap();
        all.insert(header::CONTENT_TYPE, NDJSON.parse().unwrap());
        let request = request.body(Body::from("7\n".repeat(10_000))).unwrap();
        world.router.clone().oneshot(request)
    };
    let held = post().await.unwrap();
    assert_eq!(held.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        post().await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    let length = held.headers()[header::CONTENT_LENGTH]
        .to_str()
        .unwrap()
        .to_owned();
    let taken = held.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(taken.len().to_string(), length);
    let problem: Value = serde_json::from_slice(&taken).unwrap();
    assert_eq!(problem["errors"].as_array().unwrap().len(), 10_000);
    assert_eq!(
        post().await.unwrap().status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

/// A body that has arrived but for its end, which comes when the sender is dropped.
fn stalled(
    text: &str,
) -> (
    futures::channel::mpsc::UnboundedSender<std::io::Result<String>>,
    Body,
) {
    let (sender, chunks) = futures::channel::mpsc::unbounded();
    sender.unbounded_send(Ok(text.to_owned())).unwrap();
    (sender, Body::from_stream(chunks))
}
