//! `meterd tail` across a link that breaks.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use crate::support::proxy::{Link, Proxy};
use crate::support::{Meterd, meterd};

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends events and waits until they are persisted.
async fn persist(meterd: &Meterd, numbers: &[u8]) {
    let event = |number: &u8| json!({ "tenant_id": "t", "resource": "r", "feature": "f", "quantity": number });
    let events: Vec<Value> = numbers.iter().map(event).collect();
    let client = reqwest::Client::new();
    let url = format!("{}/v1/meter/events", meterd.url);
    let post = client.post(&url).json(&events);
    let answer = post.bearer_auth(&meterd.admin_key).send().await;
    let answer: Value = answer.expect("an answer").json().await.expect("JSON");
    let receipt = answer["receipt"].as_str().expect("a receipt");
    let seen = client
        .get(&url)
        .query(&[("tenant_id", "t"), ("receipt", receipt)]);
    let seen = seen.bearer_auth(&meterd.admin_key).send().await;
    assert_eq!(seen.expect("an answer").status(), 200);
}

struct Tail {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Tail {
    fn start(meterd: &Meterd, url: &str, args: &[&str]) -> Self {
        let mut command = self::meterd();
        let reach = ["tail", "--url", url, "--api-key", &meterd.admin_key];
        let command = command.args(reach).args(args).kill_on_drop(true);
        let process = command.stdout(Stdio::piped()).spawn();
        let mut process = process.expect("meterd runs");
        let stdout = process.stdout.take().expect("it is piped");
        Self {
            _process: process,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// The quantity of the next event; `None`: it has ended.
    async fn next(&mut self) -> Option<u64> {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("a line in time").expect("text")?;
        let event: Value = serde_json::from_str(&line).expect("JSON");
        Some(event["quantity"].as_u64().expect("a number"))
    }
}

#[tokio::test]
async fn a_tail_goes_on_where_it_was() {
    let meterd = Meterd::start(&["--partitions", "1"]).await;
    let address = meterd.url.trim_start_matches("http://");
    let proxy = Proxy::start(address.parse().expect("an address")).await;
    let through_it = format!("http://{}", proxy.address);
    persist(&meterd, &[1]).await;
    persist(&meterd, &[2]).await;

    let mut tail = Tail::start(&meterd, &through_it, &["--tenant", "t", "-n", "1"]);
    // What it begins with is printed once it follows.
    assert_eq!(tail.next().await, Some(2));
    persist(&meterd, &[3]).await;
    assert_eq!(tail.next().await, Some(3));
    proxy.set(Link::Down);
    persist(&meterd, &[50, 51]).await;
    persist(&meterd, &[52]).await;
    proxy.set(Link::Up);
    persist(&meterd, &[53]).await;
    for number in 50..=53 {
        assert_eq!(tail.next().await, Some(number));
    }
    meterd.stop().await;
}

#[tokio::test]
async fn a_tail_begins_with_the_latest_events() {
    let meterd = Meterd::start(&[]).await;
    let url = meterd.url.clone();
    let now = json!([
        { "tenant_id": "u", "resource": "r", "feature": "f", "quantity": 1 },
        { "tenant_id": "u", "resource": "r", "feature": "f", "quantity": 1 },
        { "tenant_id": "v", "resource": "r", "feature": "f", "quantity": 2 },
    ]);
    let post = reqwest::Client::new().post(format!("{url}/v1/meter/events"));
    let answer = post.bearer_auth(&meterd.admin_key).json(&now).send().await;
    assert_eq!(answer.expect("an answer").status(), 202);
    // Persisted or not: each is printed, once, and then that was all.
    let mut tail = Tail::start(&meterd, &url, &["--tenant", "u", "--count", "2"]);
    assert_eq!(tail.next().await, Some(1));
    assert_eq!(tail.next().await, Some(1));
    assert_eq!(tail.next().await, None);
    meterd.stop().await;
}
