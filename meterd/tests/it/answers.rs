//! Answers that are kept in a real Redis.

use std::time::{Duration, Instant};

use fred::interfaces::{ClientLike as _, LuaInterface as _};
use fred::types::Builder;
use fred::types::config::Config;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::Meterd;
use crate::support::scrape::Scrape;

const TOP: &str = "window=day&group_by=tenant_id&top=2&other=true&from=2025-11-01T00:00:00Z&to=2025-12-01T00:00:00Z";
/// For an answer without Redis: its client's time-out, on a machine that has other work.
const SOON: Duration = Duration::from_secs(5);

struct Api<'m> {
    meterd: &'m Meterd,
    client: reqwest::Client,
}

impl Api<'_> {
    /// Sends an event; the receipt.
    async fn send(&self, tenant: &str, day: &str, quantity: u64) -> String {
        let event = json!({
            "tenant_id": tenant, "resource": "r", "feature": "f", "quantity": quantity,
            "timestamp": format!("{day}T10:00:00Z"),
        });
        let answer = self.post("events", &event).await;
        answer["receipt"].as_str().expect("a receipt").to_owned()
    }

    async fn post(&self, what: &str, body: &Value) -> Value {
        let url = format!("{}/v1/meter/{what}", self.meterd.url);
        let request = self.client.post(url).bearer_auth(&self.meterd.admin_key);
        let answer = request.json(body).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    /// The sum over all, the answer's length, and its ETag.
    async fn ask(&self, key: &str, receipt: Option<&str>) -> (i64, usize, String) {
        let url = format!("{}/v1/meter/aggregates?{TOP}", self.meterd.url);
        let mut request = self.client.get(url).bearer_auth(key);
        if let Some(receipt) = receipt {
            request = request.header("Meter-Receipt", receipt);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/json");
        let etag = answer.headers()["etag"].to_str().expect("text").to_owned();
        let text = answer.text().await.expect("text");
        let json: Value = serde_json::from_str(&text).expect("JSON");
        let total = json["totals"]["total_quantity"].as_i64();
        (total.expect("a sum"), text.len(), etag)
    }

    async fn top(&self, receipt: Option<&str>) -> (i64, usize, String) {
        self.ask(&self.meterd.admin_key, receipt).await
    }

    /// Answers that were looked for: found, not found, and not to be told.
    async fn looked_for(&self) -> String {
        let scrape = Scrape::of(&self.meterd.url).await;
        let counted =
            |outcome| scrape.sum("meterd_query_kept_answers_total", &[("outcome", outcome)]);
        ["hit", "miss", "failed"]
            .map(|outcome| format!("{} {outcome}", counted(outcome)))
            .join(", ")
    }
}

async fn empty(url: &str) {
    let mut builder = Builder::from_config(Config::from_url(url).expect("a URL"));
    builder.with_performance_config(|config| {
        config.default_command_timeout = Duration::from_secs(10);
    });
    let client = builder.build().expect("a client");
    drop(client.connect());
    let none: Vec<String> = Vec::new();
    let done: Result<i64, _> = client
        .eval("redis.call('FLUSHALL') return 1", none.clone(), none)
        .await;
    done.expect("Valkey answers");
}

#[tokio::test]
async fn an_answer_is_kept_until_an_event_changes_it() {
    let meterd = Meterd::start(&["--partitions", "2"]).await;
    let client = reqwest::Client::new();
    let api = Api {
        meterd: &meterd,
        client,
    };
    let mut receipt = String::new();
    for (tenant, quantity) in [("a", 3), ("b", 2), ("c", 1)] {
        receipt = api.send(tenant, "2025-11-05", quantity).await;
        api.top(Some(&receipt)).await;
    }
    let first = api.top(Some(&receipt)).await;
    assert_eq!(
        (first.0, api.looked_for().await),
        (6, "1 hit, 3 miss, 0 failed".to_owned())
    );

    // Of a day that is not asked for.
    receipt = api.send("a", "2025-12-01", 7).await;
    assert_eq!(api.top(Some(&receipt)).await, first);
    assert_eq!(api.looked_for().await, "2 hit, 3 miss, 0 failed");

    // A late one is seen at once.
    receipt = api.send("c", "2025-11-30", 100).await;
    let late = api.top(Some(&receipt)).await;
    assert_eq!(late.0, 106);
    assert_ne!(late.2, first.2);
    assert_eq!(api.top(None).await, late);
    assert_eq!(api.looked_for().await, "3 hit, 4 miss, 0 failed");

    // A key that is bound to a tenant gets nobody else's answer.
    let new = json!({ "name": "bound", "scopes": ["read"], "tenant_id": "a" });
    let key = api.post("keys", &new).await;
    let key = key["secret"].as_str().expect("a secret");
    assert_eq!(api.ask(key, None).await.0, 3);
    assert_eq!(api.top(None).await, late);

    empty(&meterd.ready.redis_url).await;
    assert_eq!(api.top(None).await, late);
    assert_eq!(api.top(None).await, late);

    // Stopped, and then killed: slower at most.
    let pid = Pid::from_raw(meterd.ready.pid("valkey").cast_signed());
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        kill(pid, signal).expect("Valkey runs");
        let since = Instant::now();
        assert_eq!(api.top(None).await, late);
        assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    }
    assert!(!api.looked_for().await.ends_with("0 failed"));
    receipt = api.send("b", "2025-11-05", 1).await;
    assert_eq!(api.top(Some(&receipt)).await.0, 107);
    meterd.stop().await;
}

/// Sums that were spoilt, asked for, and repaired.
#[tokio::test]
async fn a_repaired_sum_is_another_answer() {
    let meterd = Meterd::start(&["--partitions", "2"]).await;
    let client = reqwest::Client::new();
    let api = Api {
        meterd: &meterd,
        client,
    };
    let receipt = api.send("a", "2025-11-05", 3).await;
    assert_eq!(api.top(Some(&receipt)).await.0, 3);
    let pool = PgPool::connect(&meterd.ready.postgres_url).await;
    let pool = pool.expect("Postgres answers");
    sqlx::query("update usage_aggregate set total_quantity = 4")
        .execute(&pool)
        .await
        .expect("a statement");
    empty(&meterd.ready.redis_url).await;
    assert_eq!(api.top(None).await.0, 4);
    let repaired = meterd.home().run("replay", &[]).await;
    assert_eq!(repaired.code, Some(0), "{}", repaired.stderr);
    assert_eq!(api.top(None).await.0, 3);
    meterd.stop().await;
}
