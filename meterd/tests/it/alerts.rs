//! Alerts arrive at a real HTTP receiver, or it is to be seen why not.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::deployment::{Deployment, Role};
use crate::support::quota::Caller;
use crate::support::webhook::{Answers, Receiver, SECRET};
use crate::support::{Home, Meterd, connect_nats, eventually};

/// `meterd up` that tells `url`.
async fn start(home: Home, url: &str, more: &[&str]) -> (Meterd, Caller) {
    // A busy machine must not turn an answer into a 503 that these tests do not ask for.
    let mut args = vec!["--quota-deadline-ms", "5000", "--quota-max-lag-ms", "5000"];
    args.extend(["--alert-webhook-url", url, "--alert-webhook-secret", SECRET]);
    args.extend(more);
    let meterd = Meterd::start_in(home, &args).await;
    let caller = Caller::new(&meterd.url, &meterd.admin_key);
    (meterd, caller)
}

const ANYWHERE: &[&str] = &["--alert-webhook-allow-private"];

/// A quota of five units that tells when four are used.
async fn put_five(caller: &Caller, tenant_id: &str, feature: &str, period: &str) {
    let quota = json!({
        "tenant_id": tenant_id, "feature": feature, "limit": 5, "period": period,
        "alert_threshold": 80,
    });
    caller.put(&quota).await;
}

async fn consume(caller: &Caller, tenant_id: &str, feature: &str, quantity: i64) {
    let consume = json!({
        "tenant_id": tenant_id, "feature": feature, "quantity": quantity, "mode": "consume",
        "id": Uuid::now_v7(),
    });
    assert_eq!(caller.decide(&consume).await["allowed"], true);
}

/// The alerts of a tenant, once all of them have come this far.
async fn alerts(
    caller: &Caller,
    tenant_id: &str,
    count: usize,
    done: impl Fn(&Value) -> bool,
) -> Vec<Value> {
    let path = format!("/v1/meter/alerts?tenant_id={tenant_id}");
    let answer = caller
        .until(&path, |answer| {
            let data = answer["data"].as_array().map_or(&[][..], Vec::as_slice);
            data.len() >= count && data.iter().all(&done)
        })
        .await;
    let data = answer["data"].as_array().expect("a list").clone();
    assert_eq!(data.len(), count, "{data:?}");
    data
}

fn is_delivered(alert: &Value) -> bool {
    alert["delivered_at"].is_string()
}

#[tokio::test]
async fn an_alert_arrives_once_though_its_receiver_failed_twice_and_its_sender_was_killed() {
    let receiver = Receiver::start(Answers::FailFirst(2)).await;
    let (meterd, caller) = start(Home::new(), &receiver.url(), ANYWHERE).await;
    put_five(&caller, "t", "f", "monthly").await;
    consume(&caller, "t", "f", 4).await;
    eventually("a first attempt", || {
        receiver.all().first().map(|first| first.answered)
    })
    .await;
    let home = meterd.kill9().await;
    let (meterd, caller) = start(home, &receiver.url(), ANYWHERE).await;
    let delivered = alerts(&caller, "t", 1, is_delivered).await;
    // More use in the same window is no news.
    consume(&caller, "t", "f", 1).await;
    // What comes after it has come, so nothing else is under way.
    put_five(&caller, "u", "f", "monthly").await;
    consume(&caller, "u", "f", 5).await;
    alerts(&caller, "u", 1, is_delivered).await;
    alerts(&caller, "t", 1, is_delivered).await;

    let received = receiver.all();
    let answered: Vec<u16> = received.iter().map(|one| one.answered).collect();
    assert_eq!(answered, [500, 500, 204, 204]);
    let id = delivered[0]["id"].as_str().expect("an id");
    assert!(received[..3].iter().all(|one| one.id == id), "{received:?}");
    assert_ne!(received[3].id, id);
    let body = &received[2].body;
    assert_eq!(body["type"], "quota.threshold_reached");
    for (name, value) in [
        ("id", json!(id)),
        ("quota_id", delivered[0]["quota_id"].clone()),
        ("tenant_id", json!("t")),
        ("feature", json!("f")),
        ("limit", json!(5)),
        ("alert_threshold", json!(80)),
        ("used", json!("4")),
        ("window_start", delivered[0]["window_start"].clone()),
        ("reset_at", delivered[0]["reset_at"].clone()),
    ] {
        assert_eq!(body["data"][name], value, "{name}: {body}");
    }
    assert!(
        delivered[0]["attempts"].as_i64() >= Some(3),
        "{delivered:?}"
    );
    assert_eq!(delivered[0]["last_error"], Value::Null);
    meterd.stop().await;
}

#[tokio::test]
async fn each_window_has_its_alert() {
    let receiver = Receiver::start(Answers::FailFirst(0)).await;
    let (meterd, caller) = start(Home::new(), &receiver.url(), ANYWHERE).await;
    put_five(&caller, "t", "f", "minutely").await;
    let now = service_kit::clock::now();
    for ahead in [120, 180, 120, 180] {
        let event = json!({
            "id": Uuid::now_v7(), "tenant_id": "t", "resource": "r", "feature": "f",
            "quantity": 5, "timestamp": (now + TimeDelta::seconds(ahead)).to_rfc3339(),
        });
        caller.send(&event).await;
    }
    alerts(&caller, "t", 2, is_delivered).await;
    let received = receiver.all();
    let start = |body: &Value| body["data"]["window_start"].as_str().map(str::to_owned);
    let windows: BTreeSet<_> = received.iter().map(|one| start(&one.body)).collect();
    assert_eq!((windows.len(), received.len()), (2, 2), "{received:?}");
    meterd.stop().await;
}

#[tokio::test]
async fn several_processes_send_each_alert_once() {
    let receiver = Receiver::start(Answers::FailFirst(0)).await;
    let mut deployment = Deployment::start(
        1,
        &[
            ("METERD_ALERT_WEBHOOK_URL", &receiver.url()),
            ("METERD_ALERT_WEBHOOK_SECRET", SECRET),
            ("METERD_ALERT_WEBHOOK_ALLOW_PRIVATE", "true"),
        ],
    )
    .await;
    for _ in 0..3 {
        deployment.add_quota().await;
    }
    let urls = deployment.quotas.iter().map(Role::url).collect();
    let caller = Caller::of(urls, &deployment.gateway.url(), &deployment.admin_key);
    put_five(&caller, "*", "f", "monthly").await;
    for tenant in 0..40 {
        caller.report(&format!("t{tenant}"), "f", 4).await;
    }
    caller
        .until("/v1/meter/alerts", |answer| {
            let data = answer["data"].as_array().map_or(&[][..], Vec::as_slice);
            data.len() == 40 && data.iter().all(is_delivered)
        })
        .await;
    let received = receiver.all();
    let ids: BTreeSet<_> = received.iter().map(|one| one.id.clone()).collect();
    assert_eq!((received.len(), ids.len()), (40, 40));
    // The broker's listeners are told the same.
    let client = connect_nats(deployment.servers.variable("METERD_NATS_URL")).await;
    let announced = announced(client, 40).await;
    let told = |one: &Value| one["data"]["id"].as_str().map(str::to_owned);
    let told: BTreeSet<_> = announced.iter().filter_map(told).collect();
    assert_eq!((announced.len(), told), (40, ids));
}

/// What the stream of alerts has, once it has `count`.
async fn announced(client: async_nats::Client, count: u64) -> Vec<Value> {
    let jetstream = async_nats::jetstream::new(client);
    let mut stream = jetstream
        .get_stream("METER_ALERTS")
        .await
        .expect("a stream");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while stream
        .info()
        .await
        .expect("the broker answers")
        .state
        .messages
        < count
    {
        assert!(std::time::Instant::now() < deadline, "they do not come");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut announced = Vec::new();
    for seq in 1..=stream.cached_info().state.messages {
        let message = stream.get_raw_message(seq).await.expect("a message");
        announced.push(serde_json::from_slice(&message.payload).expect("JSON"));
    }
    announced
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = Receiver::start(Answers::FailFirst(0)).await;
    let receiver = Receiver::start(Answers::Elsewhere(elsewhere.url())).await;
    let (meterd, caller) = start(Home::new(), &receiver.url(), ANYWHERE).await;
    put_five(&caller, "t", "f", "monthly").await;
    consume(&caller, "t", "f", 4).await;
    let failed = |alert: &Value| alert["attempts"].as_i64() >= Some(2);
    let failed = alerts(&caller, "t", 1, failed).await;
    assert_eq!(failed[0]["last_error"], "the receiver answered 307");
    assert_eq!(failed[0]["delivered_at"], Value::Null);
    assert!(!receiver.all().is_empty());
    assert!(elsewhere.all().is_empty());
    meterd.stop().await;
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_gets_nothing() {
    let receiver = Receiver::start(Answers::FailFirst(0)).await;
    let url = format!("http://localhost:{}/alerts", receiver.port);
    let (meterd, caller) = start(Home::new(), &url, &[]).await;
    put_five(&caller, "t", "f", "monthly").await;
    consume(&caller, "t", "f", 4).await;
    let has_failed = |alert: &Value| alert["last_error"].is_string();
    let failed = alerts(&caller, "t", 1, has_failed).await;
    assert_eq!(failed[0]["last_error"], "the receiver's address is refused");
    assert!(receiver.all().is_empty());
    meterd.stop().await;
}
