//! Every acknowledged event counts once, whatever is killed or suspended meanwhile.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use metering_core::partition::partition_of;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::StatusCode;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::connect_nats;
use crate::support::deployment::Deployment;
use crate::support::usage::{Event, RANGE, Usage};

const PRODUCERS: u64 = 4;
const PARTITIONS: u16 = 2;
/// How long what was acknowledged may take to be visible once everything runs again.
const VISIBLE: Duration = Duration::from_mins(2);
/// A suspended worker's transaction ends after 10 s.
const TAKE_OVER: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
/// Small, so that there are many transactions to be killed in.
const SMALL_BATCHES: [(&str, &str); 1] = [("METERD_WORKER_BATCH_MAX_RECORDS", "200")];

/// A client that sends again what was not acknowledged.
#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    gateway: String,
    query: String,
    key: String,
}

impl Client {
    fn new(deployment: &Deployment) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10));
        Self {
            http: http.build().expect("a client"),
            gateway: deployment.gateway.url(),
            query: deployment.query.url(),
            key: deployment.admin_key.clone(),
        }
    }

    /// Returns the number of records that were logged, at least, and of vain attempts.
    async fn send(&self, events: &[&Event]) -> (i64, u64) {
        let body: Vec<_> = events.iter().map(|event| event.json()).collect();
        let url = format!("{}/v1/meter/events", self.gateway);
        for retries in 0.. {
            let request = self.http.post(&url).bearer_auth(&self.key).json(&body);
            // Refused, reset or never answered: the outcome is unknown.
            if let Ok(answer) = request.send().await {
                let status = answer.status();
                if let Ok(answer) = answer.json::<Value>().await {
                    if status == StatusCode::ACCEPTED {
                        assert_eq!(answer["rejected"], Value::Array(Vec::new()), "{answer}");
                        return (answer["accepted"].as_i64().expect("a count"), retries);
                    }
                    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
                }
            }
            tokio::time::sleep(POLL).await;
        }
        unreachable!("it goes on until it is acknowledged")
    }

    async fn groups(&self) -> BTreeMap<(String, String, String), (i64, i64)> {
        let request = self
            .http
            .get(format!("{}/v1/meter/aggregates", self.query))
            .query(&[("window", "none"), ("from", RANGE.0), ("to", RANGE.1)])
            .query(&[("group_by", "tenant_id,resource,feature")])
            .bearer_auth(&self.key);
        let answer = request.send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        let rows = answer["data"].as_array().expect("rows").iter();
        let text = |value: &Value| value.as_str().expect("a name").to_owned();
        let number = |value: &Value| value.as_i64().expect("a number");
        rows.map(|row| {
            (
                (
                    text(&row["tenant_id"]),
                    text(&row["resource"]),
                    text(&row["feature"]),
                ),
                (number(&row["total_quantity"]), number(&row["event_count"])),
            )
        })
        .collect()
    }
}

/// What a producer has sent and had acknowledged.
#[derive(Default)]
struct Sent {
    first: Vec<Event>,
    records: i64,
    repeats: u64,
    conflicts: i64,
    retries: u64,
}

impl Sent {
    fn add(&mut self, other: Self) {
        self.first.extend(other.first);
        self.records += other.records;
        self.repeats += other.repeats;
        self.conflicts += other.conflicts;
        self.retries += other.retries;
    }
}

/// Sends new events, old ones again, and other payloads under old ids, until it is stopped.
async fn produce(client: Client, mut rng: StdRng, stop: CancellationToken) -> Sent {
    let mut sent = Sent::default();
    while !stop.is_cancelled() {
        let longest = [1, 10, 200][rng.random_range(0..3)];
        let mut batch: Vec<Event> = (0..rng.random_range(1..=longest))
            .map(|_| Event::random(&mut rng))
            .collect();
        let new = batch.clone();
        let mut ids: HashSet<_> = HashSet::new();
        let acknowledged = sent.first.len();
        for _ in 0..batch.len() {
            // In the same request,
            if rng.random_bool(0.05) {
                batch.push(new[rng.random_range(0..new.len())].clone());
                sent.repeats += 1;
            }
            // and of an earlier one, each id once: two payloads in one request are refused.
            if acknowledged > 0 && rng.random_bool(0.15) {
                let mut event = sent.first[rng.random_range(0..acknowledged)].clone();
                if ids.insert(event.key()) {
                    if rng.random_bool(0.2) {
                        event.quantity += 1;
                        sent.conflicts += 1;
                    } else {
                        sent.repeats += 1;
                    }
                    batch.push(event);
                }
            }
        }
        batch.shuffle(&mut rng);
        let (records, retries) = client.send(&batch.iter().collect::<Vec<_>>()).await;
        sent.records += records;
        sent.retries += retries;
        sent.first.extend(new);
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..150))).await;
    }
    sent
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    KillWorker,
    KillGateway,
    KillNats,
    /// For so many seconds.
    SuspendWorker(u64),
}

const FAULTS: [Fault; 15] = {
    use Fault::{KillGateway, KillNats, KillWorker, SuspendWorker};
    [
        KillWorker,
        KillWorker,
        KillWorker,
        KillWorker,
        KillWorker,
        KillGateway,
        KillGateway,
        KillGateway,
        KillGateway,
        KillNats,
        KillNats,
        KillNats,
        SuspendWorker(1),
        SuspendWorker(3),
        SuspendWorker(12),
    ]
};

/// All faults in random order at random moments.
async fn disturb(deployment: &mut Deployment, rng: &mut StdRng) {
    let mut faults = FAULTS;
    faults.shuffle(rng);
    for fault in faults {
        tokio::time::sleep(Duration::from_millis(rng.random_range(100..2500))).await;
        println!("{fault:?}");
        let worker = rng.random_range(0..deployment.workers.len());
        match fault {
            Fault::KillWorker => deployment.workers[worker].kill9().await,
            Fault::KillGateway => deployment.gateway.kill9().await,
            Fault::KillNats => assert!(deployment.servers.kill9("nats"), "nats-server runs"),
            Fault::SuspendWorker(seconds) => {
                deployment.workers[worker].signal(Signal::SIGSTOP);
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                deployment.workers[worker].signal(Signal::SIGCONT);
            }
        }
        // What cannot start while the broker is away ends; a supervisor starts it again.
        for role in deployment.roles() {
            role.supervise();
        }
    }
    for role in deployment.roles() {
        role.ready().await;
    }
}

#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
struct Progress {
    partition: i16,
    seq: i64,
    logged: i64,
    persisted: i64,
    duplicate: i64,
    conflict: i64,
    dead: i64,
}

async fn progress(pool: &PgPool) -> Vec<Progress> {
    sqlx::query_as(
        "select partition, seq, logged, persisted, duplicate, conflict, dead
         from progress where projection = 'usage' order by partition",
    )
    .fetch_all(pool)
    .await
    .expect("the positions")
}

/// The last sequence of each partition's stream.
async fn last_sequences(deployment: &Deployment) -> Vec<i64> {
    let url = deployment.servers.variable("METERD_NATS_URL");
    let jetstream = async_nats::jetstream::new(connect_nats(url).await);
    let mut sequences = Vec::new();
    for partition in 0..PARTITIONS {
        let stream = jetstream.get_stream(format!("METER_1_{partition}")).await;
        let last = stream.expect("a stream").cached_info().state.last_sequence;
        sequences.push(last.try_into().expect("a small number"));
    }
    sequences
}

/// Waits until all that is in the log has been projected.
async fn projected(deployment: &Deployment) -> Vec<Progress> {
    let log = last_sequences(deployment).await;
    let deadline = Instant::now() + VISIBLE;
    loop {
        let progress = progress(&deployment.database).await;
        if progress.iter().map(|p| p.seq).eq(log.iter().copied()) {
            return progress;
        }
        assert!(Instant::now() < deadline, "log {log:?}, {progress:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// All that has to hold at the end.
async fn judge(deployment: &Deployment, client: &Client, sent: &Sent) -> Vec<Progress> {
    let progress = projected(deployment).await;
    let expected = Usage::of(&sent.first);
    expected.assert_eq(&Usage::in_database(&deployment.database).await);
    assert_eq!(client.groups().await, expected.groups());
    let distinct = i64::try_from(sent.first.len()).expect("a small number");
    let total = |count: fn(&Progress) -> i64| progress.iter().map(count).sum::<i64>();
    for p in &progress {
        assert_eq!(p.logged, p.persisted + p.duplicate + p.dead, "{p:?}");
    }
    assert_eq!((total(|p| p.persisted), total(|p| p.dead)), (distinct, 0));
    // What was logged and not acknowledged was sent again.
    assert!(total(|p| p.logged) >= sent.records, "{progress:?}");
    assert!(total(|p| p.conflict) >= sent.conflicts, "{progress:?}");
    progress
}

#[expect(
    clippy::disallowed_methods,
    reason = "the seed of a run that failed is given to the next one"
)]
fn seed() -> u64 {
    let given = std::env::var("METERD_TEST_SEED").ok();
    let seed = given.map_or_else(rand::random, |seed| seed.parse().expect("a number"));
    println!("METERD_TEST_SEED={seed}");
    seed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregates_are_exact_whatever_is_killed() {
    let seed = seed();
    let start = Instant::now();
    let mut deployment = Deployment::start(2, &SMALL_BATCHES).await;
    let client = Client::new(&deployment);
    let stop = CancellationToken::new();
    let mut producers = JoinSet::new();
    for n in 0..PRODUCERS {
        let rng = StdRng::seed_from_u64(seed.wrapping_add(n));
        producers.spawn(produce(client.clone(), rng, stop.clone()));
    }
    let mut rng = StdRng::seed_from_u64(!seed);
    disturb(&mut deployment, &mut rng).await;
    stop.cancel();
    let mut sent = Sent::default();
    while let Some(producer) = producers.join_next().await {
        sent.add(producer.expect("a producer's checks hold"));
    }
    let progress = judge(&deployment, &client, &sent).await;
    println!(
        "seed {seed}: {} distinct events, {} repeats and {} conflicts sent, {} requests sent \
         again; {} records logged, {} duplicates; {} faults; {:.0} s",
        sent.first.len(),
        sent.repeats,
        sent.conflicts,
        sent.retries,
        progress.iter().map(|p| p.logged).sum::<i64>(),
        progress.iter().map(|p| p.duplicate).sum::<i64>(),
        FAULTS.len(),
        start.elapsed().as_secs_f32(),
    );
}

/// Waits until a worker's transaction waits for the test's lock.
async fn blocked(pool: &PgPool) {
    let deadline = Instant::now() + TAKE_OVER;
    loop {
        let blocked: bool = sqlx::query_scalar(
            "select exists (select from pg_stat_activity
             where wait_event_type = 'Lock' and wait_event = 'relation' and xact_start is not null)",
        )
        .fetch_one(pool)
        .await
        .expect("the sessions");
        if blocked {
            return;
        }
        assert!(Instant::now() < deadline, "no worker writes aggregates");
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_suspended_in_its_transaction_is_replaced() {
    let mut deployment = Deployment::start(1, &[]).await;
    let client = Client::new(&deployment);
    let mut rng = StdRng::seed_from_u64(1);
    let mut sent = Sent::default();
    let mut send = async |rng: &mut StdRng| {
        // Of one partition, so that there is one transaction.
        let events: Vec<Event> = std::iter::repeat_with(|| Event::random(rng))
            .filter(|event| partition_of(event.tenant, PARTITIONS) == 0)
            .take(100)
            .collect();
        sent.records += client.send(&events.iter().collect::<Vec<_>>()).await.0;
        sent.first.extend(events);
    };

    let url = deployment.servers.variable("METERD_POSTGRES_URL");
    let mut blocker = PgConnection::connect(url).await.expect("Postgres");
    let mut lock = blocker.begin().await.expect("a transaction");
    sqlx::query("lock table usage_aggregate in exclusive mode")
        .execute(&mut *lock)
        .await
        .expect("a lock");
    send(&mut rng).await;
    blocked(&deployment.database).await;
    deployment.workers[0].signal(Signal::SIGSTOP);
    lock.rollback().await.expect("the lock is given back");
    let suspended = Instant::now();

    deployment.add_worker().await;
    send(&mut rng).await;
    projected(&deployment).await;
    let taken_over = suspended.elapsed();
    assert!(taken_over < TAKE_OVER, "taken over after {taken_over:?}");

    // The first one believes that it is in the middle of its transaction.
    deployment.workers[0].signal(Signal::SIGCONT);
    send(&mut rng).await;
    deployment.workers[0].ready().await;
    let progress = judge(&deployment, &client, &sent).await;
    assert_eq!(progress.iter().map(|p| p.duplicate).sum::<i64>(), 0);
    println!("taken over after {:.1} s", taken_over.as_secs_f32());
}
