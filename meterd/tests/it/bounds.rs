//! What hostile clients can take from a gateway: bounded memory, and nobody else's answers.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{error::Elapsed, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::deployment::{Deployment, Role};
use crate::support::eventually;

const MIB: usize = 1024 * 1024;
/// What the bodies of the gateway under test may hold together.
const MEMORY_BYTES: &str = "67108864";
/// Twice that, because to parse is to copy; the log's queue of 64 MiB; and what a gateway needs for
/// itself, 1,024 connections included.
const MAX_RESIDENT_KIB: u64 = (2 * 64 + 64 + 128) * 1024;
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection's end, after its time-out, on a busy machine.
const SLACK: Duration = Duration::from_secs(20);
/// Of the producer that does nothing wrong, on a machine that is busy with inflating.
const MAX_P99: Duration = Duration::from_secs(2);
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const GZIP: &str = "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n";
const ZSTD: &str = "Transfer-Encoding: chunked\r\nContent-Encoding: zstd\r\n";
const GIGABYTE: &str = "Content-Length: 1073741824\r\n";
const EVENT: &str = r#"{"tenant_id":"t","resource":"r","feature":"f"}"#;

fn address(gateway: &Role) -> String {
    let url = gateway.url();
    url.strip_prefix("http://").expect("an address").to_owned()
}

/// The most memory that a process has had so far.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    figure.and_then(|kib| kib.parse().ok()).expect("a figure")
}

/// How the gateway answers: a status, or `closed`.
type Answers = BTreeMap<String, usize>;

/// A client that sends a head, and a body for as long as it is read.
#[derive(Clone)]
struct Attacker {
    address: String,
    head: String,
}

impl Attacker {
    fn new(deployment: &Deployment, more: &str) -> Self {
        let (address, key) = (address(&deployment.gateway), &deployment.admin_key);
        let head = format!(
            "POST /v1/meter/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{more}\r\n"
        );
        Self { address, head }
    }

    /// Sends `chunk` `times` times or until the gateway has enough, and returns its answer.
    async fn run(self, chunk: Vec<u8>, times: usize) -> String {
        let stream = TcpStream::connect(&self.address).await;
        let (mut reader, mut writer) = stream.expect("a connection").into_split();
        let writing = async {
            writer.write_all(self.head.as_bytes()).await?;
            for _ in 0..times {
                writer.write_all(&chunk).await?;
            }
            // Nothing more comes, but the connection stays.
            std::future::pending::<std::io::Result<()>>().await
        };
        let reading = async {
            let mut answer = Vec::new();
            let _ = reader.read_to_end(&mut answer).await;
            answer
        };
        tokio::pin!(reading);
        let answer = tokio::select! {
            answer = &mut reading => answer,
            // It does not read on; what it has said may still be on its way.
            _ = writing => reading.await,
        };
        let text = String::from_utf8_lossy(&answer);
        text.split(' ').nth(1).unwrap_or("closed").to_owned()
    }
}

/// A chunk of a body without a length.
fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// Many attackers of one kind.
struct Attack {
    what: &'static str,
    /// Of the head, behind the key.
    headers: &'static str,
    chunk: Vec<u8>,
    times: usize,
    clients: usize,
    /// The first one has to be seen, others may be.
    answers: &'static [&'static str],
}

impl Attack {
    async fn run(self, deployment: &Deployment) {
        let attacker = Attacker::new(deployment, self.headers);
        let mut running = JoinSet::new();
        for _ in 0..self.clients {
            let run = attacker.clone().run(self.chunk.clone(), self.times);
            running.spawn(timeout(BODY_TIMEOUT + SLACK, run));
        }
        let answers = ended(running).await;
        let (what, peak) = (self.what, peak_kib(deployment.gateway.pid()) / 1024);
        println!("{what}: {answers:?}, {peak} MiB at most so far");
        let allowed = |answer: &String| self.answers.contains(&answer.as_str());
        assert!(answers.keys().all(allowed), "{what}: {answers:?}");
        assert!(answers.contains_key(self.answers[0]), "{what}: {answers:?}");
    }
}

async fn ended(mut running: JoinSet<Result<String, Elapsed>>) -> Answers {
    let mut answers = Answers::new();
    while let Some(ended) = running.join_next().await {
        let answer = ended
            .expect("no panic")
            .expect("an answer or a closed connection in time");
        *answers.entry(answer).or_default() += 1;
    }
    answers
}

/// Sends one event after the other until `stop`; the gateway has to take each. What the broker's
/// disk does not confirm in time is sent again, as a producer does, and counts as one that was slow.
async fn produce(url: String, key: String, stop: CancellationToken) -> Vec<Duration> {
    let client = reqwest::Client::new();
    let mut latencies = Vec::new();
    let mut started = Instant::now();
    while !stop.is_cancelled() {
        let request = client.post(format!("{url}/v1/meter/events"));
        let answer = request.bearer_auth(&key).body(EVENT).send().await;
        let answer = answer.expect("an answer");
        if answer.status() == 202 {
            latencies.push(started.elapsed());
            started = Instant::now();
            continue;
        }
        let problem: serde_json::Value = answer.json().await.expect("a problem");
        assert!(problem["outcomes"].is_array(), "{problem}");
    }
    latencies.sort();
    latencies
}

/// 64 MiB of white space, packed, of which 160 make 10 GiB.
async fn bombs() -> (Vec<u8>, Vec<u8>) {
    let (mut gzip, mut zstd) = (GzipEncoder::new(Vec::new()), ZstdEncoder::new(Vec::new()));
    let space = vec![b' '; MIB];
    for _ in 0..64 {
        gzip.write_all(&space).await.expect("memory");
        zstd.write_all(&space).await.expect("memory");
    }
    gzip.shutdown().await.expect("memory");
    zstd.shutdown().await.expect("memory");
    (gzip.into_inner(), zstd.into_inner())
}

async fn attacks() -> Vec<Attack> {
    let (gzip, zstd) = bombs().await;
    let space = vec![b' '; MIB];
    let attack = |what, headers, chunk, times, clients, answers| Attack {
        what,
        headers,
        chunk,
        times,
        clients,
        answers,
    };
    vec![
        attack(
            "10 GiB in gzip",
            GZIP,
            chunk(&gzip),
            160,
            8,
            &["413", "503"],
        ),
        attack(
            "10 GiB in zstd",
            ZSTD,
            chunk(&zstd),
            160,
            8,
            &["413", "503"],
        ),
        attack(
            "10,000 deep",
            "Content-Length: 10000\r\n",
            vec![b'['; 10_000],
            1,
            50,
            &["400"],
        ),
        attack(
            "8 MiB deep",
            "Content-Length: 8388608\r\n",
            vec![b'['; MIB],
            8,
            8,
            &["400", "503"],
        ),
        attack(
            "1 GiB in chunks",
            CHUNKED,
            chunk(&space),
            1024,
            8,
            &["413", "503", "closed"],
        ),
        attack(
            "1 GiB with its length",
            GIGABYTE,
            space.clone(),
            1024,
            8,
            &["413", "closed"],
        ),
        // As much as fits is held until its time is over; small requests still get through.
        attack(
            "large bodies that stall",
            "Content-Length: 4194304\r\n",
            space,
            3,
            100,
            &["503", "408"],
        ),
    ]
}

/// Requests of 20 kB that are answered with megabytes, which nobody takes for a while.
async fn unread_answers(deployment: &Deployment) {
    let headers =
        "Content-Type: application/x-ndjson\r\nContent-Length: 20000\r\nConnection: close\r\n";
    let attacker = Attacker::new(deployment, headers);
    let mut streams = connect(deployment, 200).await;
    let request = [attacker.head.as_bytes(), "7\n".repeat(10_000).as_bytes()].concat();
    for stream in &mut streams {
        stream
            .write_all(&request)
            .await
            .expect("a request is taken");
    }
    let mut answers = Answers::new();
    for stream in &mut streams {
        // The first byte tells that there is an answer; the others stay where they are.
        let mut first = [0; 12];
        let read = timeout(SLACK, stream.read_exact(&mut first)).await;
        read.expect("an answer in time").expect("an answer");
        let status = String::from_utf8_lossy(&first[9..]).into_owned();
        *answers.entry(status).or_default() += 1;
    }
    let peak = peak_kib(deployment.gateway.pid()) / 1024;
    println!("answers nobody takes: {answers:?}, {peak} MiB at most so far");
    let allowed = |answer: &String| ["422", "503"].contains(&answer.as_str());
    assert!(
        answers.keys().all(allowed) && answers.contains_key("422"),
        "{answers:?}"
    );
}

/// 500 connections: half of them stop within the head, half within a body.
async fn slowloris(deployment: &Deployment) {
    let bodies = Attacker::new(deployment, "Content-Length: 1000\r\n");
    let mut heads = bodies.clone();
    heads.head.truncate(40);
    let mut running = JoinSet::new();
    for _ in 0..250 {
        running.spawn(timeout(HEAD_TIMEOUT + SLACK, heads.clone().run(vec![], 0)));
        let body = bodies.clone().run(vec![b' '; 10], 1);
        running.spawn(timeout(BODY_TIMEOUT + SLACK, body));
    }
    let answers = ended(running).await;
    println!("slowloris: {answers:?}");
    let expected = [("408".to_owned(), 250), ("closed".to_owned(), 250)];
    assert_eq!(answers, Answers::from(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_clients_take_bounded_memory_and_nobody_elses_answers() {
    let seconds = |time: Duration| time.as_secs().to_string();
    let variables = [
        ("METERD_GATEWAY_MEMORY_BYTES", MEMORY_BYTES),
        ("METERD_GATEWAY_BODY_TIMEOUT", &seconds(BODY_TIMEOUT)),
        ("METERD_HTTP_HEAD_TIMEOUT", &seconds(HEAD_TIMEOUT)),
    ];
    let deployment = Deployment::start(0, &variables).await;
    let stop = CancellationToken::new();
    let (url, key) = (deployment.gateway.url(), deployment.admin_key.clone());
    let mut producer = JoinSet::new();
    producer.spawn(produce(url, key, stop.clone()));
    for attack in attacks().await {
        attack.run(&deployment).await;
    }
    unread_answers(&deployment).await;
    slowloris(&deployment).await;

    stop.cancel();
    let produced = producer.join_next().await.expect("one producer");
    let latencies = produced.expect("every event was accepted");
    let [p50, p99] = [50, 99].map(|percent| latencies[latencies.len() * percent / 100]);
    let (events, peak) = (latencies.len(), peak_kib(deployment.gateway.pid()));
    println!(
        "meanwhile {events} events, p50 {p50:?}, p99 {p99:?}; {} MiB at most",
        peak / 1024
    );
    assert!(p99 < MAX_P99, "{p99:?}");
    assert!(peak < MAX_RESIDENT_KIB, "{peak} KiB");
}

async fn is_accepted(deployment: &Deployment, patience: Duration) -> bool {
    let client = reqwest::Client::new();
    let request = client.post(format!("{}/v1/meter/events", deployment.gateway.url()));
    let request = request
        .bearer_auth(&deployment.admin_key)
        .body(EVENT)
        .send();
    let answer = timeout(patience, request).await;
    answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status() == 202))
}

async fn connect(deployment: &Deployment, count: usize) -> Vec<TcpStream> {
    let address = address(&deployment.gateway);
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(TcpStream::connect(&address).await.expect("a backlog"));
    }
    streams
}

#[tokio::test]
async fn beyond_the_connections_there_may_be_one_waits_for_one_to_end() {
    let deployment = Deployment::start(0, &[("METERD_HTTP_MAX_CONNECTIONS", "20")]).await;
    let mut streams = connect(&deployment, 20).await;
    assert!(!is_accepted(&deployment, Duration::from_secs(1)).await);
    streams.pop();
    assert!(is_accepted(&deployment, SLACK).await);
}

#[tokio::test]
async fn a_gateway_without_descriptors_goes_on_when_it_has_some_again() {
    let deployment = Deployment::start(0, &[]).await;
    let pid = deployment.gateway.pid();
    let descriptors = || {
        fs::read_dir(format!("/proc/{pid}/fd"))
            .expect("it runs")
            .count()
    };
    let limit = descriptors() + 10;
    let mut prlimit = Command::new("prlimit");
    prlimit
        .arg(format!("--pid={pid}"))
        .arg(format!("--nofile={limit}:{limit}"));
    let limited = prlimit
        .stdin(Stdio::null())
        .status()
        .await
        .expect("prlimit runs");
    assert!(limited.success());
    let streams = connect(&deployment, 40).await;
    eventually("no descriptor is left", || {
        (descriptors() >= limit).then_some(())
    })
    .await;
    assert!(!is_accepted(&deployment, Duration::from_secs(1)).await);
    drop(streams);
    assert!(is_accepted(&deployment, SLACK).await);
}
