//! The live stream of a running system.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::Meterd;
use crate::support::live::Live;
use crate::support::usage::Event;

const WRITERS: u64 = 4;
const REQUESTS: u64 = 60;
const THE_END: &str = "the-end";

fn post(url: &str, key: &str, events: &Value) -> impl Future<Output = Value> + use<> {
    let request = reqwest::Client::new().post(format!("{url}/v1/meter/events"));
    let request = request.bearer_auth(key).json(events);
    async move {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 202);
        answer.json().await.expect("JSON")
    }
}

fn usage(tenant: &str, feature: &str) -> Value {
    json!({ "id": Uuid::now_v7(), "tenant_id": tenant, "resource": "r", "feature": feature })
}

/// A key bound to a tenant: its id and its secret.
async fn bound_key(meterd: &Meterd, tenant: &str) -> (String, String) {
    let request = reqwest::Client::new().post(format!("{}/v1/meter/keys", meterd.url));
    let new = json!({ "name": "bound", "scopes": ["read"], "tenant_id": tenant });
    let answer = request.bearer_auth(&meterd.admin_key).json(&new).send();
    let key: Value = answer.await.expect("an answer").json().await.expect("JSON");
    let text = |member: &str| key[member].as_str().expect("a text").to_owned();
    (text("id"), text("secret"))
}

/// Random events, old and new ones, by request.
fn requests(seed: u64) -> Vec<Vec<Event>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut batch = || {
        let size = rng.random_range(1..20);
        (0..size).map(|_| Event::random(&mut rng)).collect()
    };
    (0..REQUESTS).map(|_| batch()).collect()
}

/// Sends them, every third request twice.
async fn write(url: String, key: String, requests: Vec<Vec<Event>>) {
    for (number, batch) in requests.iter().enumerate() {
        let body = Value::from(batch.iter().map(Event::json).collect::<Vec<_>>());
        for _ in 0..=usize::from(number % 3 == 0) {
            post(&url, &key, &body).await;
        }
    }
}

/// Follows until `want` events have come, connecting again and again. Returns them as they came.
async fn follow(url: String, key: String, mut live: Live, want: usize, seed: u64) -> Vec<Value> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut seen = Vec::new();
    while seen.len() < want {
        for _ in 0..rng.random_range(1..200) {
            if seen.len() < want {
                seen.extend(no_end(live.event().await));
            }
        }
        let id = live.last_id.clone();
        drop(live);
        live = Live::open(&url, &key, "", id.as_deref()).await;
    }
    // Nothing comes twice, nothing else comes: only what marks the end does.
    let end = usage(THE_END, "f");
    post(&url, &key, &end).await;
    loop {
        let event = live.event().await;
        if event["id"] == end["id"] {
            return seen;
        }
        seen.extend(no_end(event));
    }
}

/// Each follower marks its own end, which the others see.
fn no_end(event: Value) -> Option<Value> {
    (event["tenant_id"] != THE_END).then_some(event)
}

/// Writers and followers at once; the followers come and go. To each of them every event comes
/// exactly once, and those of one partition in one order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_comes_once() {
    let meterd = Meterd::start(&[]).await;
    let (url, key) = (meterd.url.clone(), meterd.admin_key.clone());
    let mut lives = Vec::new();
    for _ in 0..3 {
        let mut live = Live::open(&url, &key, "", None).await;
        assert_eq!(live.next().await.expect("where it is").data, None);
        lives.push(live);
    }
    let written: Vec<_> = (0..WRITERS).map(requests).collect();
    let expected = written.iter().flatten().map(Vec::len).sum();
    let mut followers = JoinSet::new();
    for (seed, live) in (100..).zip(lives) {
        followers.spawn(follow(url.clone(), key.clone(), live, expected, seed));
    }
    let mut writers = JoinSet::new();
    for requests in &written {
        writers.spawn(write(url.clone(), key.clone(), requests.clone()));
    }
    writers.join_all().await;
    let written: BTreeSet<_> = written.iter().flatten().flatten().map(Event::key).collect();
    let identity = |event: &Value| {
        let text = |member: &str| event[member].as_str().expect("a text").to_owned();
        (
            text("tenant_id"),
            text("id").parse::<Uuid>().expect("a UUID"),
        )
    };
    let mut orders = Vec::new();
    for seen in followers.join_all().await {
        assert_eq!(seen.len(), expected, "lost or twice");
        let identities: Vec<_> = seen.iter().map(identity).collect();
        let distinct: BTreeSet<_> = identities.iter().cloned().collect();
        assert!(distinct == written, "others than were written");
        let mut by_tenant = BTreeMap::<_, Vec<_>>::new();
        for (tenant, id) in identities {
            by_tenant.entry(tenant).or_default().push(id);
        }
        orders.push(by_tenant);
    }
    assert!(orders.windows(2).all(|pair| pair[0] == pair[1]));
    meterd.stop().await;
}

#[tokio::test]
async fn filters_select_and_a_bound_key_sees_its_tenant() {
    let meterd = Meterd::start(&[]).await;
    let (url, admin) = (meterd.url.as_str(), meterd.admin_key.as_str());
    let (_, bound) = bound_key(&meterd, "org_001").await;
    let marked = |tenant: &str, n: i64| {
        let mut event = usage(tenant, "f");
        event["metadata"] = json!({ "n": n });
        event
    };
    let sent = [
        usage("org_002", "f"),
        marked("org_001", 7),
        usage("org_001", "g"),
        marked("org_001", 8),
    ];
    let cases = [
        (admin, "tenant_id=org_001", vec![1, 2, 3]),
        (admin, "feature=g", vec![2]),
        (admin, "metadata.n=8", vec![3]),
        (admin, "resource=r&tenant_id=org_002", vec![0]),
        (&bound, "", vec![1, 2, 3]),
        (&bound, "metadata.n=7&tenant_id=org_001", vec![1]),
    ];
    let mut lives = Vec::new();
    for (key, query, _) in &cases {
        lives.push(Live::open(url, key, query, None).await);
    }
    for live in &mut lives {
        live.next().await.expect("where it is");
    }
    for event in &sent {
        post(url, admin, event).await;
    }
    for ((_, query, expected), live) in cases.iter().zip(&mut lives) {
        for number in expected {
            assert_eq!(live.event().await["id"], sent[*number]["id"], "{query}");
        }
    }
    // Another tenant's stream has nothing and no end to wait for.
    let request = reqwest::Client::new().get(format!("{url}/v1/meter/events/stream"));
    let request = request.query(&[("tenant_id", "org_002")]);
    let answer = request.bearer_auth(&bound).send().await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), answer.text().await.unwrap()),
        (200, String::new())
    );
    // An id of elsewhere: nothing of another tenant comes with it either.
    let admins = lives[3].last_id.clone();
    let mut resumed = Live::open(url, &bound, "", admins.as_deref()).await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = resumed.event().await;
        assert_eq!(event["tenant_id"], "org_001");
        seen.push(event["id"].clone());
    }
    assert_eq!(
        seen,
        [&sent[1]["id"], &sent[2]["id"], &sent[3]["id"]].map(Clone::clone)
    );
    meterd.stop().await;
}

#[tokio::test]
async fn it_ends_with_its_key_and_with_the_server() {
    let meterd = Meterd::start(&[]).await;
    let (id, bound) = bound_key(&meterd, "org_001").await;
    let mut doomed = Live::open(&meterd.url, &bound, "", None).await;
    let mut other = Live::open(&meterd.url, &meterd.admin_key, "", None).await;
    let delete = reqwest::Client::new().delete(format!("{}/v1/meter/keys/{id}", meterd.url));
    let deleted = delete.bearer_auth(&meterd.admin_key).send().await;
    assert_eq!(deleted.expect("an answer").status(), 204);
    let since = Instant::now();
    while doomed.next().await.is_some() {}
    let took = since.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let since = Instant::now();
    let ended = async { while other.next().await.is_some() {} };
    // It is not the end of the drain that ends it.
    let ended = tokio::time::timeout(Duration::from_secs(4), ended);
    let (_, ended) = tokio::join!(meterd.stop(), ended);
    assert!(ended.is_ok(), "{:?}", since.elapsed());
}

/// A client that does not read is told what it missed, once it reads again, and can have it.
#[tokio::test]
async fn what_a_slow_client_misses_is_named() {
    let meterd = Meterd::start(&[]).await;
    let (url, key) = (meterd.url.as_str(), meterd.admin_key.as_str());
    let mut live = Live::open(url, key, "", None).await;
    live.next().await.expect("where it is");
    let text = "x".repeat(7000);
    let mut sent = 0;
    for _ in 0..200 {
        let event = |_| {
            let mut event = usage("org_001", "f");
            event["metadata"] = json!({ "text": text });
            event
        };
        let batch: Vec<Value> = (0..30).map(event).collect();
        sent += batch.len();
        post(url, key, &batch.into()).await;
    }
    let mut seen = BTreeSet::new();
    let after = loop {
        let said = live.next().await.expect("the stream goes on");
        let data = said.data.unwrap_or_default();
        if said.event == "dropped" {
            assert_eq!(data["reason"], "behind");
            break data["after"].as_str().expect("an id").to_owned();
        }
        seen.extend(data["id"].as_str().map(str::to_owned));
    };
    assert!(seen.len() < sent, "{}", seen.len());
    let mut resumed = Live::open(url, key, "", Some(&after)).await;
    while seen.len() < sent {
        let event = resumed.event().await;
        let id = event["id"].as_str().expect("an id").to_owned();
        assert!(seen.insert(id), "twice");
    }
    meterd.stop().await;
}

/// What the log does not have any more cannot be had again, and that is said.
#[tokio::test]
async fn what_was_trimmed_is_named() {
    let args = ["--worker-trim-margin", "1", "--worker-trim-interval", "1"];
    let meterd = Meterd::start(&args).await;
    let (url, key) = (meterd.url.as_str(), meterd.admin_key.as_str());
    let mut live = Live::open(url, key, "", None).await;
    live.next().await.expect("where it is");
    let old = live.last_id.clone().expect("an id");
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        post(url, key, &usage("org_001", "f")).await;
        let mut resumed = Live::open(url, key, "", Some(&old)).await;
        let said = resumed.next().await.expect("it goes on");
        if said.event == "dropped" {
            let data = said.data.expect("what is dropped");
            assert_eq!(data["reason"], "trimmed");
            // In the partition that was trimmed it begins where the client was; the others may have
            // been read before.
            let after = data["after"].as_str().expect("an id");
            let now = resumed.last_id.as_deref().expect("an id");
            let mut partitions = old.split('-').zip(after.split('-')).zip(now.split('-'));
            let dropped = partitions.any(|((old, after), now)| old == after && after != now);
            assert!(dropped, "{old}, {after}, {now}");
            break;
        }
        assert!(Instant::now() < deadline, "nothing is trimmed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for bad in ["x", "0.00000000", "1"] {
        let request = reqwest::Client::new().get(format!("{url}/v1/meter/events/stream"));
        let request = request.bearer_auth(key).header("Last-Event-ID", bad);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 400, "{bad}");
    }
    meterd.stop().await;
}

/// Of the process, not only of what the streams add.
#[tokio::test]
async fn a_thousand_idle_clients_are_cheap() {
    const CLIENTS: usize = 1000;
    const MAX_KIB: u64 = 64 * 1024;
    let deployment = crate::support::deployment::Deployment::start(1, &[]).await;
    let (url, key) = (deployment.query.url(), deployment.admin_key.clone());
    let mut lives = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let mut live = Live::open(&url, &key, "", None).await;
        live.next().await.expect("where it is");
        lives.push(live);
    }
    let event = usage("org_001", "f");
    post(&deployment.gateway.url(), &key, &event).await;
    for live in &mut lives {
        assert_eq!(live.event().await["id"], event["id"]);
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", deployment.query.pid()));
    let status = status.expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let rss = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let rss_kib: u64 = rss.expect("a size").trim().parse().expect("a number");
    println!("resident with {CLIENTS} idle clients: {rss_kib} KiB");
    assert!(rss_kib < MAX_KIB, "{rss_kib} KiB");
}
