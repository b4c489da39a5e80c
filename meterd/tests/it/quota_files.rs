//! Quotas in files, with the command line.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::quota::Caller;
use crate::support::{Finished, Meterd, finish, meterd};

/// `meterd quotas ARGS…` on a running system.
async fn quotas(system: &Meterd, args: &[&str]) -> Finished {
    let mut command = meterd();
    command.arg("quotas").args(args);
    command.arg("--data-dir").arg(system.home().data_dir());
    finish(&mut command).await
}

fn write(system: &Meterd, quotas: &Value) -> String {
    let file = system.home().file("quotas.json");
    fs::write(&file, quotas.to_string()).expect("a writable directory");
    file.to_str().expect("a plain path").to_owned()
}

fn quota(tenant_id: &str, limit: u64) -> Value {
    json!({ "tenant_id": tenant_id, "feature": "f", "limit": limit, "period": "daily" })
}

async fn limits(system: &Meterd) -> BTreeMap<String, u64> {
    let listed = quotas(system, &["list", "--json"]).await;
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let listed: Vec<Value> = serde_json::from_str(&listed.stdout).expect("JSON");
    let pairs = listed.iter().map(|quota| {
        let tenant = quota["tenant_id"].as_str().expect("a tenant");
        (tenant.to_owned(), quota["limit"].as_u64().expect("a limit"))
    });
    pairs.collect()
}

#[tokio::test]
async fn what_is_in_force_becomes_what_the_file_says() {
    let system = Meterd::start(&[]).await;
    let file = write(&system, &json!([quota("a", 1), quota("b", 2)]));
    let dry = quotas(&system, &["apply", &file, "--dry-run", "--exit-code"]).await;
    assert_eq!(dry.code, Some(4), "{}", dry.stderr);
    assert_eq!(dry.stdout.lines().count(), 2, "{}", dry.stdout);
    assert_eq!(limits(&system).await, BTreeMap::new());

    let applied = quotas(&system, &["apply", &file]).await;
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    assert_eq!(applied.stdout, dry.stdout);
    let again = quotas(&system, &["apply", &file, "--exit-code"]).await;
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), ""));

    let file = write(&system, &json!([quota("b", 3), quota("c", 4)]));
    let kept = quotas(&system, &["apply", &file, "--exit-code"]).await;
    assert_eq!(kept.code, Some(4), "{}", kept.stderr);
    let lines: Vec<_> = kept.stdout.lines().collect();
    let [was, now, new] = lines[..] else {
        panic!("{lines:?}")
    };
    assert!(was.starts_with("- tenant_id=b ") && was.contains(" limit=2 "));
    assert!(now.starts_with("+ tenant_id=b ") && now.contains(" limit=3 "));
    assert!(new.starts_with("+ tenant_id=c "));
    let tenants = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
        pairs.iter().map(|(t, l)| ((*t).to_owned(), *l)).collect()
    };
    assert_eq!(
        limits(&system).await,
        tenants(&[("a", 1), ("b", 3), ("c", 4)])
    );
    let pruned = quotas(&system, &["apply", &file, "--prune", "--json"]).await;
    let changes: Value = serde_json::from_str(&pruned.stdout).expect("JSON");
    assert_eq!(changes[0]["from"]["tenant_id"], "a", "{changes}");
    assert_eq!(
        (&changes[0]["to"], &changes[1]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(limits(&system).await, tenants(&[("b", 3), ("c", 4)]));

    let bad = write(&system, &json!([quota("d", 1), { "tenant_id": "e" }]));
    let refused = quotas(&system, &["apply", &bad]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("quota 2 of"), "{}", refused.stderr);
    assert_eq!(limits(&system).await, tenants(&[("b", 3), ("c", 4)]));
    system.stop().await;
}

/// (timestamp, tenant, quantity) of events, in the order of time.
const PAST: [(&str, &str, i64); 9] = [
    // Before `--from`, and in the day that it lies in.
    ("2025-11-20T01:00:00Z", "a", 6),
    ("2025-11-20T11:00:00Z", "a", 4),
    ("2025-11-20T12:30:00Z", "a", 5),
    ("2025-11-20T12:30:01Z", "b", 11),
    ("2025-11-20T13:00:00Z", "b", 10),
    ("2025-11-20T23:59:59Z", "b", 1),
    ("2025-11-21T00:00:00Z", "b", 10),
    ("2025-11-21T00:00:01Z", "a", 10),
    ("2025-11-21T05:00:00Z", "a", 2),
];

#[tokio::test]
async fn a_backtest_denies_what_would_have_been_denied() {
    let system = Meterd::start(&[]).await;
    let caller = Caller::new(&system.url, &system.admin_key);
    // The log's order is another one than that of time.
    for (timestamp, tenant_id, quantity) in PAST.iter().rev() {
        let event = json!({
            "id": Uuid::now_v7(), "tenant_id": tenant_id, "resource": "r", "feature": "f",
            "quantity": quantity, "timestamp": timestamp,
        });
        caller.send(&event).await;
    }
    let all = "/v1/meter/events?from=2025-11-01T00:00:00Z&to=2025-12-01T00:00:00Z";
    caller
        .until(all, |answer| {
            answer["data"].as_array().map_or(0, Vec::len) == PAST.len()
        })
        .await;
    // Soft, and tried as if it were hard.
    let mut any = quota("*", 10);
    any["enforcement"] = json!("soft");
    let file = write(&system, &any);
    let range = [
        "--from",
        "2025-11-20T12:00:00Z",
        "--to",
        "2025-11-22T00:00:00Z",
    ];
    let mut args = vec!["backtest", "--quota", &file];
    args.extend(range);
    let drawn = quotas(&system, &args).await;
    assert_eq!(drawn.code, Some(0), "{}", drawn.stderr);
    assert!(drawn.stderr.contains("4 of 7 events"), "{}", drawn.stderr);
    assert!(drawn.stderr.contains('╭'), "a plot: {}", drawn.stderr);
    assert_eq!(drawn.stdout.lines().count(), 3, "{}", drawn.stdout);

    args.push("--json");
    let told = quotas(&system, &args).await;
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!(
        (&told["asked"], &told["denied"], &told["quantity"]),
        (&json!(7), &json!(4), &json!(5 + 11 + 1 + 2)),
        "{told}"
    );
    let expected = [
        ("a", 2, 7, "2025-11-20T12:30:00Z", "2025-11-21T05:00:00Z"),
        ("b", 2, 12, "2025-11-20T12:30:01Z", "2025-11-20T23:59:59Z"),
    ];
    for (entry, (tenant, events, quantity, first, last)) in told["data"]
        .as_array()
        .expect("a list")
        .iter()
        .zip(expected)
    {
        for (member, value) in [
            ("tenant_id", json!(tenant)),
            ("feature", json!("f")),
            ("limit", json!(10)),
            ("events", json!(events)),
            ("quantity", json!(quantity)),
            ("first", json!(first)),
            ("last", json!(last)),
        ] {
            assert_eq!(entry[member], value, "{member}: {entry}");
        }
    }
    assert_eq!(limits(&system).await, BTreeMap::new(), "nothing was set");
    system.stop().await;
}
