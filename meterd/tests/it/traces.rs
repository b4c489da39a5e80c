//! From a client's trace to what the worker says of its events.

use std::fs;

use serde_json::json;

use crate::support::{Home, eventually};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const ID: &str = "0193a5b0-7c1d-7000-8000-0000000000f1";

#[tokio::test]
async fn a_trace_leads_from_the_request_to_the_workers_log() {
    let home = Home::new();
    let up = home.run("up", &["--listen", "127.0.0.1:0", "--detach"]);
    let up = up.await;
    assert_eq!(up.code, Some(0), "{}", up.stderr);
    let url = home.ready().expect("ready.json").url;
    let key = fs::read_to_string(home.file("admin.key")).expect("a key");
    // The second one has the first one's id, so it does not count, and the worker says whose it was.
    for (quantity, span) in [(1, "b7ad6b7169203331"), (2, "b7ad6b7169203332")] {
        let answer = reqwest::Client::new()
            .post(format!("{url}/v1/meter/events"))
            .bearer_auth(key.trim())
            .header("traceparent", format!("00-{TRACE}-{span}-01"))
            .json(&json!({
                "id": ID, "tenant_id": "a", "resource": "b", "feature": "c", "quantity": quantity,
            }))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 202);
        let answered = answer.headers()["traceparent"].to_str().expect("a text");
        assert!(answered.starts_with(&format!("00-{TRACE}-")), "{answered}");
        assert!(!answered.contains(span), "{answered}");
    }
    let log = home.file("logs/meterd.log");
    let needle = format!("trace.id={TRACE}");
    for said in ["answered", "it does not count"] {
        eventually(said, || {
            let text = fs::read_to_string(&log).expect("a log");
            let mut lines = text.lines();
            lines
                .any(|line| line.contains(&needle) && line.contains(said))
                .then_some(())
        })
        .await;
    }
    assert_eq!(home.run("down", &[]).await.code, Some(0));
}
