//! How long questions take over many events of thirty days.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::event::{quantity, rfc3339};
use crate::load::Client;
use crate::report::{milliseconds, percentile};

const DAYS: i64 = 30;
const TENANTS: u64 = 200;
/// Of each tenant; each has one resource.
const FEATURES: u64 = 10;
const BATCH: u64 = 2_000;
const CONNECTIONS: u64 = 4;
/// How long the worker may take to catch up.
const PATIENCE: Duration = Duration::from_mins(15);
const POLL: Duration = Duration::from_millis(200);
const ROUNDS: u64 = 200;

/// One question and how long its answers took.
pub(crate) struct Answered {
    name: &'static str,
    /// Ascending.
    latencies: Vec<Duration>,
}

/// The questions by name: path and query, for one tenant of many.
const QUESTIONS: [(&str, &str); 8] = [
    (
        "tenant, features by day",
        "aggregates?window=day&group_by=feature&tenant_id=TENANT&from=FROM",
    ),
    ("tenant, one page", "tenants/TENANT?from=FROM"),
    (
        "tenant's events",
        "events?limit=50&tenant_id=TENANT&from=FROM",
    ),
    (
        "tenant's events by metadata",
        "events?limit=50&tenant_id=TENANT&metadata.user=u_7&from=FROM",
    ),
    ("all tenants by day", "aggregates?window=day&from=FROM"),
    (
        "all features by day",
        "aggregates?window=day&group_by=feature&from=FROM",
    ),
    (
        "top 10 tenants",
        "aggregates?window=none&group_by=tenant_id&top=10&other=true&from=FROM",
    ),
    ("all events, first page", "events?limit=50&from=FROM"),
];

/// Sends `events` events, waits until they are visible, and asks.
pub(crate) async fn run(client: &Client, events: u64, now: DateTime<Utc>) -> Result<Vec<Answered>> {
    send(client, events, now).await?;
    let from = now - TimeDelta::days(DAYS);
    let mut answered = Vec::new();
    for (name, question) in QUESTIONS {
        let mut latencies = Vec::new();
        for round in 0..ROUNDS {
            let tenant = tenant(round * 7);
            let path = question
                .replace("TENANT", &tenant)
                .replace("FROM", &rfc3339(from));
            let asked = Instant::now();
            let answer = client.get(&format!("/v1/meter/{path}")).send().await?;
            let answer: Value = answer.error_for_status()?.json().await?;
            latencies.push(asked.elapsed());
            ensure!(answer.is_object(), "{name}: {answer}");
        }
        latencies.sort_unstable();
        answered.push(Answered { name, latencies });
    }
    Ok(answered)
}

async fn send(client: &Client, events: u64, now: DateTime<Utc>) -> Result<()> {
    eprintln!("{events} events of {DAYS} days …");
    let next = Arc::new(AtomicU64::new(0));
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (client, next) = (client.clone(), next.clone());
        connections.spawn(async move {
            loop {
                let first = next.fetch_add(BATCH, Ordering::Relaxed);
                if first >= events {
                    return anyhow::Ok(());
                }
                let numbers = first..events.min(first + BATCH);
                let batch: Vec<Value> = numbers.map(|n| past(n, events, now)).collect();
                client
                    .send(&serde_json::to_vec(&batch)?, batch.len() as u64)
                    .await?;
            }
        });
    }
    while let Some(ended) = connections.join_next().await {
        ended.context("a sender failed")??;
    }
    let (sent, path) = (Instant::now(), "/v1/meter/aggregates?window=none&from=");
    let path = format!("{path}{}", rfc3339(now - TimeDelta::days(DAYS + 1)));
    loop {
        let answer = client.get(&path).send().await?.error_for_status()?;
        let answer: Value = answer.json().await?;
        if answer["totals"]["event_count"].as_u64() >= Some(events) {
            return Ok(());
        }
        ensure!(
            sent.elapsed() < PATIENCE,
            "not all of them became visible: {answer}"
        );
        tokio::time::sleep(POLL).await;
    }
}

fn tenant(n: u64) -> String {
    format!("org_{:03}", n % TENANTS)
}

/// Event number `n` of `events`, evenly over the days.
fn past(n: u64, events: u64, now: DateTime<Utc>) -> Value {
    let feature = n / TENANTS % FEATURES;
    let ago = TimeDelta::days(DAYS).num_milliseconds() * (events - n).cast_signed();
    let at = now - TimeDelta::milliseconds(ago / events.cast_signed());
    json!({
        "id": Uuid::now_v7(), "tenant_id": tenant(n), "resource": format!("resource_{}", feature / 2),
        "feature": format!("feature_{feature}"), "quantity": quantity(n), "timestamp": rfc3339(at),
        "metadata": { "user": format!("u_{}", n % 1009) },
    })
}

pub(crate) fn table(events: u64, answered: &[Answered]) -> String {
    let mut text = format!("over {events} events of {DAYS} days   p50 ms  p99 ms  max ms\n");
    for one in answered {
        let [p50, p99, max] =
            [50, 99, 100].map(|percent| milliseconds(percentile(&one.latencies, percent)));
        let _ = writeln!(text, "{:35}  {p50:>6}  {p99:>6}  {max:>6}", one.name);
    }
    text
}
