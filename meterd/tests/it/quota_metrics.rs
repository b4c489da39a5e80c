//! What the quota service measures, and what it finds in its own books.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use metering_log::topology;
use serde_json::json;
use uuid::Uuid;

use crate::support::connect_nats;
use crate::support::deployment::{Deployment, Role};
use crate::support::quota::Caller;
use crate::support::scrape::Scrape;

/// The auditor needs three looks, and the ledger and the aggregates the same position.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(100);
/// A busy machine must not turn an answer into a 503 that these tests do not ask for.
const PATIENT: [(&str, &str); 2] = [
    ("METERD_QUOTA_DEADLINE_MS", "5000"),
    ("METERD_QUOTA_MAX_LAG_MS", "5000"),
];

async fn until(url: &str, what: &str, done: impl Fn(&Scrape) -> bool) -> Scrape {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let scrape = Scrape::of(url).await;
        if done(&scrape) {
            return scrape;
        }
        assert!(Instant::now() < deadline, "{what}: {scrape:#?}");
        tokio::time::sleep(POLL).await;
    }
}

async fn start(variables: &[(&str, &str)]) -> (Deployment, Caller) {
    let variables = [&PATIENT[..], variables].concat();
    let mut deployment = Deployment::start(1, &variables).await;
    deployment.add_quota().await;
    let urls = deployment.quotas.iter().map(Role::url).collect();
    let caller = Caller::of(urls, &deployment.gateway.url(), &deployment.admin_key);
    (deployment, caller)
}

async fn consume(caller: &Caller) -> bool {
    let consume = json!({
        "tenant_id": "t", "feature": "f", "mode": "consume", "id": Uuid::now_v7(),
    });
    caller.decide(&consume).await["allowed"] == true
}

const DECISIONS: &str = "meterd_quota_decision_duration_seconds_count";
const DIFFERENCE: &str = "meterd_quota_audit_difference_units";

#[tokio::test]
async fn decisions_are_counted_and_a_wrong_row_of_the_ledger_is_found() {
    let (deployment, caller) = start(&[]).await;
    let url = deployment.quotas[0].url();
    for (feature, period) in [("f", "yearly"), ("g", "lifetime"), ("h", "minutely")] {
        let quota = json!({ "tenant_id": "*", "feature": feature, "limit": 7, "period": period });
        caller.put(&quota).await;
        caller.report("t", feature, 5).await;
    }
    let allowed = [consume(&caller).await, consume(&caller).await];
    assert_eq!((allowed, consume(&caller).await), ([true, true], false));
    caller
        .validate(&json!({ "tenant_id": "t", "feature": "f" }))
        .await;

    let scrape = until(&url, "an audit", |scrape| {
        scrape.sum("meterd_quota_audited_windows_total", &[]) >= 3.0
            && scrape.sum("meterd_quota_refolds_total", &[("result", "equal")]) >= 1.0
    })
    .await;
    for (name, labels, value) in [
        (
            DECISIONS,
            &[("mode", "consume"), ("outcome", "allowed")][..],
            2.0,
        ),
        (
            DECISIONS,
            &[("mode", "consume"), ("outcome", "denied")],
            1.0,
        ),
        (DECISIONS, &[("mode", "check"), ("outcome", "denied")], 1.0),
        (DIFFERENCE, &[], 0.0),
        ("meterd_quota_alarm", &[], 0.0),
        (
            "meterd_quota_refolds_total",
            &[("result", "different")],
            0.0,
        ),
        (
            "meterd_quota_alert_deliveries_total",
            &[("result", "failed")],
            0.0,
        ),
    ] {
        let found = scrape.sum(name, labels);
        assert_eq!(found.to_bits(), f64::to_bits(value), "{name} {labels:?}");
    }
    assert!(scrape.sum("meterd_quota_counters", &[]) >= 2.0);

    // A row that somebody has changed by hand.
    for (change, found) in [(7, 7.0), (-7, 0.0)] {
        let changed = sqlx::query(
            "update quota_ledger set reported = reported + $1 where tenant_id = 't' and feature = 'f'",
        )
        .bind(change)
        .execute(&deployment.database)
        .await
        .expect("the ledger");
        assert_eq!(changed.rows_affected(), 1);
        until(&url, "a difference", |scrape| {
            scrape.sum(DIFFERENCE, &[]).to_bits() == f64::to_bits(found)
        })
        .await;
    }
}

/// Whether the beginning of every partition that has messages is gone.
async fn is_trimmed(deployment: &Deployment, partitions: u16) -> bool {
    let url = deployment.servers.variable("METERD_NATS_URL");
    let log = jetstream::new(connect_nats(url).await);
    for partition in 0..partitions {
        let name = topology::stream(topology::GENERATION, partition);
        let mut stream = log.get_stream(name).await.expect("a stream");
        let info = stream.info().await.expect("NATS answers");
        if info.state.last_sequence > 0 && info.state.first_sequence <= 1 {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn verify_goes_on_from_the_snapshot_where_the_log_was_trimmed() {
    let (deployment, caller) = start(&[
        ("METERD_WORKER_TRIM_MARGIN", "0"),
        ("METERD_WORKER_TRIM_INTERVAL", "1"),
        ("METERD_PARTITIONS", "1"),
        ("METERD_VERIFY_SECONDS", "5"),
    ])
    .await;
    let quota = json!({ "tenant_id": "t", "feature": "f", "limit": 1_000_000, "period": "yearly" });
    caller.put(&quota).await;
    let deadline = Instant::now() + PATIENCE;
    while !is_trimmed(&deployment, 1).await {
        assert!(Instant::now() < deadline, "the log is not trimmed");
        assert!(consume(&caller).await);
        tokio::time::sleep(POLL).await;
    }
    // What is decided meanwhile is compared.
    let mut asking = tokio::task::JoinSet::new();
    asking.spawn(async move {
        loop {
            assert!(consume(&caller).await);
        }
    });
    let verified = deployment.run("verify").await;
    assert!(asking.try_join_next().is_none(), "asking goes on");
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    assert!(
        verified.stderr.contains("trimmed away"),
        "{}",
        verified.stderr
    );
    let found: serde_json::Value = serde_json::from_str(&verified.stdout).expect("JSON");
    assert!(found["compared"].as_u64() > Some(0), "{found}");
}
