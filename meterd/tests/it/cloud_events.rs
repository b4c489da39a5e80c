//! The official CloudEvents SDK for Python as a producer.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::Meterd;

const SENT: Duration = Duration::from_secs(30);

/// What is answered to each request of the program.
async fn send(meterd: &Meterd) -> Vec<Value> {
    let meterd_package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(meterd_package.join("../.venv/bin/python"));
    python
        .arg(meterd_package.join("tests/it/cloud_events.py"))
        .arg(&meterd.url)
        .env("METERD_API_KEY", &meterd.admin_key)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(SENT, python.output())
        .await
        .expect("the program ends in time")
        .expect("`make setup` and `scripts/venv tools` made .venv");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let lines = String::from_utf8(output.stdout).expect("answers are UTF-8");
    let parse = |line| serde_json::from_str(line).expect("answers are JSON");
    lines.lines().map(parse).collect()
}

#[tokio::test]
async fn what_the_sdk_sends_is_read_back() {
    let meterd = Meterd::start(&[]).await;
    let answers = send(&meterd).await;
    let accepted: Vec<_> = answers
        .iter()
        .map(|answer| answer["accepted"].as_u64())
        .collect();
    assert_eq!(accepted, [1, 1, 2, 1].map(Some), "{answers:?}");
    let receipt = answers[3]["receipt"].as_str().expect("a receipt");

    let read: Value = reqwest::Client::new()
        .get(format!("{}/v1/meter/events", meterd.url))
        .query(&[
            ("tenant_id", "auth0|org%1"),
            ("from", "2025-11-20T00:00:00Z"),
            ("to", "2025-11-21T00:00:00Z"),
        ])
        .bearer_auth(&meterd.admin_key)
        .header("meter-receipt", receipt)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let mut events = read["data"].as_array().expect("events").clone();
    events.sort_by_key(|event| event["quantity"].as_u64());
    // The first one was sent twice.
    let quantities: Vec<_> = events
        .iter()
        .map(|event| event["quantity"].as_u64())
        .collect();
    assert_eq!(quantities, [1, 2, 3, 4].map(Some), "{read}");
    for event in &events {
        assert_eq!(event["resource"], "com.example.pdf");
        assert_eq!(event["feature"], "render");
        assert_eq!(event["metadata"], json!({ "colour": "grün" }));
    }
    assert_eq!(events[1]["id"], "0193a5b0-7c1d-7000-8000-00000000000a");
    meterd.stop().await;
}
