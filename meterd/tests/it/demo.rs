//! `meterd up --demo`: what a presentation begins with.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::Meterd;

/// Three weeks of events are sent and counted within it.
const PREPARED_WITHIN: Duration = Duration::from_mins(3);

async fn get(meterd: &Meterd, path: &str) -> Value {
    let request = reqwest::Client::new().get(format!("{}/v1/meter/{path}", meterd.url));
    let answer = request.bearer_auth(&meterd.admin_key).send().await;
    answer.expect("an answer").json().await.expect("JSON")
}

#[tokio::test]
async fn a_quota_is_about_to_be_hit_an_alert_was_raised_and_letters_are_dead() {
    let meterd = Meterd::start(&["--demo"]).await;
    let deadline = Instant::now() + PREPARED_WITHIN;
    loop {
        let quota = get(&meterd, "tenants/acme-corp").await["quotas"][0].clone();
        let used = quota["used"].as_i64().zip(quota["limit"].as_i64());
        if used.is_some_and(|(used, limit)| used * 100 >= limit * 92) {
            assert!(
                quota["projected"].as_i64() > quota["limit"].as_i64(),
                "{quota}"
            );
            break;
        }
        assert!(Instant::now() < deadline, "{quota}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let alerts = get(&meterd, "alerts?tenant_id=acme-corp").await;
    assert_eq!(alerts["data"][0]["alert_threshold"], 80, "{alerts}");
    let letters = get(&meterd, "dead-letters").await;
    assert_eq!(letters["data"][0]["code"], "invalid_event", "{letters}");
    meterd.stop().await;
}
