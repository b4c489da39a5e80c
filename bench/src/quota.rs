//! Quota decisions at a steady pace, beside events at theirs.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::event::group;
use crate::load::Client;
use crate::report::{milliseconds, percentile};

/// Decisions asked for each second.
pub(crate) const RATE: u64 = 1_000;
const CONNECTIONS: u64 = 64;

/// What came of a minute of questions.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) mode: &'static str,
    /// From when each was due to its decision; ascending.
    latencies: Vec<Duration>,
    /// Answers 503: unknown in time. They are no decisions and not in the latencies.
    unknown: u64,
    seconds: f64,
}

/// Limits every tenant and feature, far above what is asked for.
pub(crate) async fn limit_all(client: &Client) -> Result<()> {
    let quota = json!({
        "tenant_id": "*", "feature": "*", "limit": 1_u64 << 53, "period": "monthly",
    });
    let answer = client.put("/v1/meter/quotas", &quota).send().await?;
    let status = answer.status();
    ensure!(status.is_success(), "{status}: {}", answer.text().await?);
    Ok(())
}

/// Asks for `length`, however the answers come.
pub(crate) async fn ask(client: Client, mode: &'static str, length: Duration) -> Result<Asked> {
    let started = Instant::now();
    let questions = RATE * length.as_secs();
    let next = Arc::new(AtomicU64::new(0));
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (client, next) = (client.clone(), next.clone());
        connections.spawn(async move {
            let mut part = Asked::default();
            loop {
                let k = next.fetch_add(1, Ordering::Relaxed);
                if k >= questions {
                    return anyhow::Ok(part);
                }
                let due = started + Duration::from_nanos(k * 1_000_000_000 / RATE);
                tokio::time::sleep_until(due.into()).await;
                let answer = client.post("/v1/meter/validate", &question(mode, k)).send();
                let answer = answer.await.context("no answer")?;
                match answer.status() {
                    StatusCode::OK => {
                        let _: Value = answer.json().await.context("an unreadable answer")?;
                        part.latencies.push(due.elapsed());
                    }
                    StatusCode::SERVICE_UNAVAILABLE => part.unknown += 1,
                    status => anyhow::bail!("{status}: {}", answer.text().await?),
                }
            }
        });
    }
    let mut all = Asked {
        mode,
        ..Asked::default()
    };
    while let Some(part) = connections.join_next().await {
        let part = part.context("an asker failed")??;
        all.latencies.extend(part.latencies);
        all.unknown += part.unknown;
    }
    all.latencies.sort_unstable();
    all.seconds = started.elapsed().as_secs_f64();
    Ok(all)
}

fn question(mode: &str, k: u64) -> Value {
    let (tenant, resource, feature) = group(k);
    json!({
        "tenant_id": tenant, "resource": resource, "feature": feature, "mode": mode,
        "id": Uuid::now_v7(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn table(asked: &[Asked]) -> String {
    let mut text =
        String::from("decision  target/s  decisions/s  p50 ms  p99 ms  max ms  503 (unknown)\n");
    for one in asked {
        let rate = one.latencies.len() as f64 / one.seconds;
        let [p50, p99, max] =
            [50, 99, 100].map(|percent| milliseconds(percentile(&one.latencies, percent)));
        let _ = writeln!(
            text,
            "{:8}  {RATE:8}  {rate:11.0}  {p50:>6}  {p99:>6}  {max:>6}  {:13}",
            one.mode, one.unknown
        );
    }
    text
}
