//! The load generator: requests at their times, whatever became of those before them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::event::Source;
use crate::system::Meterd;

/// How long one request is tried again before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(30);
const RETRY_PAUSE: Duration = Duration::from_millis(50);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// A phase that cannot keep pace sends for this many times its length at most.
const OVERTIME: u32 = 2;

/// How to load meterd for a while.
#[derive(Debug, Clone)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    /// Events in a request; 1 is sent as an object, more as an array.
    pub(crate) batch: u64,
    /// Events a second; `None`: as fast as the answers come.
    pub(crate) target: Option<u64>,
    pub(crate) length: Duration,
    pub(crate) connections: u16,
}

impl Phase {
    /// How many requests it sends, when it has a pace.
    fn requests(&self) -> u64 {
        self.target.map_or(u64::MAX, |target| {
            target * self.length.as_secs() / self.batch
        })
    }

    /// When request number `k` is due, counted from the start.
    fn due(&self, k: u64) -> Option<Duration> {
        let target = self.target?;
        Some(Duration::from_nanos(
            k * self.batch * 1_000_000_000 / target,
        ))
    }

    fn ends(&self) -> Duration {
        match self.target {
            Some(_) => self.length * OVERTIME,
            None => self.length,
        }
    }
}

/// What came of a phase. Everything counted here was acknowledged.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) events: u64,
    /// Of each request, from when it was due to its 202; ascending.
    pub(crate) latencies: Vec<Duration>,
    /// Answers 503 and broken connections; the same events were sent again.
    pub(crate) retries: u64,
    pub(crate) started: Instant,
    pub(crate) last_ack: Instant,
}

/// Talks to one meterd over connections that stay open. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    authorization: String,
}

impl Client {
    pub(crate) fn new(meterd: &Meterd) -> Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder()
                .timeout(REQUEST_TIMEOUT)
                .no_proxy()
                .build()
                .context("cannot make an HTTP client")?,
            url: meterd.url.clone(),
            authorization: format!("Bearer {}", meterd.admin_key),
        })
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        let request = self.http.get(format!("{}{path}", self.url));
        request.header(AUTHORIZATION, &self.authorization)
    }

    pub(crate) fn put(&self, path: &str, body: &serde_json::Value) -> RequestBuilder {
        let request = self.http.put(format!("{}{path}", self.url)).json(body);
        request.header(AUTHORIZATION, &self.authorization)
    }

    pub(crate) fn post(&self, path: &str, body: &serde_json::Value) -> RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        request.header(AUTHORIZATION, &self.authorization)
    }

    /// Sends `events` events until a 202 comes; returns how many times that was in vain.
    pub(crate) async fn send(&self, body: &[u8], events: u64) -> Result<u64> {
        let since = Instant::now();
        let mut retries = 0;
        loop {
            let in_vain = match self.post_events(body.to_vec()).send().await {
                Ok(answer) if answer.status() == StatusCode::ACCEPTED => {
                    let accepted: Accepted = answer.json().await.context("an unreadable 202")?;
                    ensure!(
                        accepted.accepted == events && accepted.duplicates == 0,
                        "not all was accepted: {accepted:?}"
                    );
                    return Ok(retries);
                }
                Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => {
                    format!("503: {}", answer.text().await.unwrap_or_default())
                }
                Ok(answer) => {
                    let status = answer.status();
                    bail!("refused, {status}: {}", answer.text().await?);
                }
                // Whether it arrived is unknown; the same ids make that harmless.
                Err(error) => format!("{error:?}"),
            };
            retries += 1;
            ensure!(since.elapsed() < PATIENCE, "never accepted: {in_vain}");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    fn post_events(&self, body: Vec<u8>) -> RequestBuilder {
        self.http
            .post(format!("{}/v1/meter/events", self.url))
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(body)
    }
}

/// The part of a 202's body that is looked at.
#[derive(Debug, Deserialize)]
struct Accepted {
    accepted: u64,
    duplicates: u64,
}

/// Runs a phase; its events are numbered from `first`. Error: a request was refused, or had no
/// 202 in spite of retries; what was counted is unknown then.
pub(crate) async fn run(
    client: &Client,
    source: &Source,
    phase: &Phase,
    first: u64,
) -> Result<Load> {
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut connections = JoinSet::new();
    for _ in 0..phase.connections {
        let connection = Connection {
            client: client.clone(),
            source: source.clone(),
            phase: phase.clone(),
            first,
            started,
            next: next.clone(),
        };
        connections.spawn(connection.run());
    }
    let mut load = Load {
        events: 0,
        latencies: Vec::new(),
        retries: 0,
        started,
        last_ack: started,
    };
    while let Some(ended) = connections.join_next().await {
        let part = ended.context("the load generator failed")??;
        load.events += part.events;
        load.latencies.extend(part.latencies);
        load.retries += part.retries;
        load.last_ack = load.last_ack.max(part.last_ack);
    }
    load.latencies.sort_unstable();
    Ok(load)
}

/// One of those that take the next request in turn.
struct Connection {
    client: Client,
    source: Source,
    phase: Phase,
    first: u64,
    started: Instant,
    next: Arc<AtomicU64>,
}

impl Connection {
    async fn run(self) -> Result<Load> {
        let mut load = Load {
            events: 0,
            latencies: Vec::new(),
            retries: 0,
            started: self.started,
            last_ack: self.started,
        };
        while self.started.elapsed() < self.phase.ends() {
            // Whoever takes a number sends it: the numbers sent have no gaps.
            let k = self.next.fetch_add(1, Ordering::Relaxed);
            if k >= self.phase.requests() {
                break;
            }
            let body = self.body(k)?;
            let due = if let Some(due) = self.phase.due(k) {
                let due = self.started + due;
                tokio::time::sleep_until(due.into()).await;
                due
            } else {
                Instant::now()
            };
            load.retries += self.client.send(&body, self.phase.batch).await?;
            load.last_ack = Instant::now();
            load.latencies.push(load.last_ack - due);
            load.events += self.phase.batch;
        }
        Ok(load)
    }

    fn body(&self, k: u64) -> Result<Vec<u8>> {
        let first = self.first + k * self.phase.batch;
        let body = if self.phase.batch == 1 {
            serde_json::to_vec(&self.source.event(first))
        } else {
            let numbers = first..first + self.phase.batch;
            let events: Vec<_> = numbers.map(|n| self.source.event(n)).collect();
            serde_json::to_vec(&events)
        };
        body.context("an event is not JSON")
    }
}
