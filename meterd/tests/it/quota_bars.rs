//! Exactly as many as fit, whatever is killed meanwhile; and the log those runs leave is verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::support::deployment::{Deployment, Role};
use crate::support::quota::Caller;

const LIMIT: usize = 1_000;
const ASKED: usize = 1_400;
const CONNECTIONS: usize = 64;

/// A quota of 1,000 and 64 connections that ask for 1,400 units, each until it has a decision.
struct Rush {
    deployment: Deployment,
    caller: Caller,
    /// Ids that have a decision.
    decided: Arc<AtomicUsize>,
    asked: tokio::task::JoinSet<Vec<(Uuid, bool)>>,
}

impl Rush {
    async fn start(services: usize) -> Self {
        // The log is kept whole, to be verified.
        let variables = [("METERD_WORKER_TRIM_MARGIN", "1000000000")];
        let mut deployment = Deployment::start(1, &variables).await;
        for _ in 0..services {
            deployment.add_quota().await;
        }
        let urls = deployment.quotas.iter().map(Role::url).collect();
        let caller = Caller::of(urls, &deployment.gateway.url(), &deployment.admin_key);
        let quota = json!({ "tenant_id": "t", "feature": "f", "limit": LIMIT, "period": "yearly" });
        caller.put(&quota).await;
        let decided = Arc::new(AtomicUsize::new(0));
        let mut asked = tokio::task::JoinSet::new();
        for n in 0..CONNECTIONS {
            let (caller, decided) = (caller.clone(), decided.clone());
            let share = (ASKED - n).div_ceil(CONNECTIONS);
            asked.spawn(async move {
                let mut told = Vec::new();
                for _ in 0..share {
                    let id = Uuid::now_v7();
                    let consume = json!({
                        "tenant_id": "t", "feature": "f", "mode": "consume", "id": id,
                    });
                    let answer = caller.decide(&consume).await;
                    told.push((id, answer["allowed"] == true));
                    decided.fetch_add(1, Ordering::Relaxed);
                }
                told
            });
        }
        Self {
            deployment,
            caller,
            decided,
            asked,
        }
    }

    /// Waits until so many ids have a decision.
    async fn reached(&self, ids: usize) {
        while self.decided.load(Ordering::Relaxed) < ids {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// As many were told that they may as fit, and the log says the same.
    async fn judge(mut self) {
        let mut told = Vec::new();
        while let Some(share) = self.asked.join_next().await {
            told.extend(share.expect("an asker lives"));
        }
        assert_eq!(told.len(), ASKED);
        let allowed: Vec<Uuid> = told.iter().filter(|(_, a)| *a).map(|(id, _)| *id).collect();
        assert_eq!(allowed.len(), LIMIT, "told that they may");
        let check = json!({ "tenant_id": "t", "feature": "f" });
        let answer = self.caller.decide(&check).await;
        assert_eq!(answer["limits"][0]["used"], LIMIT.to_string(), "{answer}");
        assert_eq!(answer["allowed"], false);
        for role in self.deployment.roles() {
            role.ready().await;
        }
        let seq = answer["as_of_seq"].as_i64().expect("a position");
        self.written(seq).await;
        let in_log: i64 = sqlx::query_scalar(
            "select count(distinct id) from decision where id = any($1) and outcome = 'allowed'",
        )
        .bind(&allowed)
        .fetch_one(&self.deployment.database)
        .await
        .expect("decisions");
        assert_eq!(usize::try_from(in_log), Ok(LIMIT), "allowed in the log");
        let verified = self.deployment.run("verify").await;
        assert_eq!(verified.code, Some(0), "{}", verified.stderr);
        let verified: Value = serde_json::from_str(&verified.stdout).expect("one line of JSON");
        // Those that were allowed; who was denied a moment ago costs no record.
        assert!(verified["compared"].as_u64() >= Some(1_000), "{verified}");
        assert_eq!(verified["mismatched"], 0);
        assert_eq!(verified["snapshots_mismatched"], 0);
    }

    /// Waits until the books are as far as `seq`.
    async fn written(&self, seq: i64) {
        let deadline = std::time::Instant::now() + Duration::from_mins(1);
        loop {
            let written: Result<Option<i64>, _> =
                sqlx::query_scalar("select max(seq) from progress where projection = 'quota'")
                    .fetch_one(&self.deployment.database)
                    .await;
            if matches!(written, Ok(Some(written)) if written >= seq) {
                return;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "the books are not written"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn exactly_1000_with_64_connections_and_two_instances() {
    let rush = Rush::start(2).await;
    rush.judge().await;
}

#[tokio::test]
async fn exactly_1000_while_the_service_is_killed_three_times() {
    let mut rush = Rush::start(1).await;
    for ids in [200, 500, 900] {
        rush.reached(ids).await;
        rush.deployment.quotas[0].kill9().await;
        rush.deployment.quotas[0].ready().await;
    }
    rush.judge().await;
}

#[tokio::test]
async fn exactly_1000_while_postgres_is_down() {
    let rush = Rush::start(1).await;
    rush.reached(100).await;
    // It is started again and again, and killed as often: nothing is written meanwhile.
    while rush.decided.load(Ordering::Relaxed) < ASKED {
        rush.deployment.servers.kill9("postgres");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    rush.judge().await;
}

/// Empties Redis, in the few bytes that takes.
async fn flush(url: &str) {
    let url: reqwest::Url = url.parse().expect("a URL");
    let address = (url.host_str().expect("a host"), url.port().expect("a port"));
    let mut redis = TcpStream::connect(address).await.expect("Redis answers");
    if let Some(password) = url.password() {
        let auth = format!("AUTH {password}\r\n");
        redis
            .write_all(auth.as_bytes())
            .await
            .expect("a connection");
    }
    redis
        .write_all(b"FLUSHALL\r\nQUIT\r\n")
        .await
        .expect("a connection");
    let mut answer = String::new();
    redis.read_to_string(&mut answer).await.expect("an answer");
    assert!(!answer.contains('-'), "{answer}");
}

#[tokio::test]
async fn exactly_1000_while_redis_is_flushed_and_killed() {
    let rush = Rush::start(1).await;
    rush.reached(200).await;
    flush(rush.deployment.servers.variable("METERD_REDIS_URL")).await;
    for ids in [500, 900] {
        rush.reached(ids).await;
        rush.deployment.servers.kill9("valkey");
    }
    rush.judge().await;
}

#[tokio::test]
async fn exactly_1000_while_the_broker_is_killed() {
    let rush = Rush::start(1).await;
    rush.reached(300).await;
    rush.deployment.servers.kill9("nats");
    rush.judge().await;
}

#[tokio::test]
async fn ten_thousand_times_an_acknowledged_event_is_in_the_next_check() {
    let mut deployment = Deployment::start(0, &[]).await;
    deployment.add_quota().await;
    deployment.add_worker().await;
    let url = deployment.quotas[0].url();
    let caller = Caller::of(vec![url], &deployment.gateway.url(), &deployment.admin_key);
    let quota = json!({ "tenant_id": "*", "feature": "f", "limit": 1_000_000, "period": "yearly" });
    caller.put(&quota).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..100 {
        let caller = caller.clone();
        tasks.spawn(async move {
            let tenant = format!("t{n}");
            for used in 1..=100_i64 {
                caller.report(&tenant, "f", 1).await;
                let check = json!({ "tenant_id": tenant, "feature": "f" });
                let answer = caller.decide(&check).await;
                assert_eq!(answer["remaining"], 1_000_000 - used, "{answer}");
            }
        });
    }
    tasks.join_all().await;
}
