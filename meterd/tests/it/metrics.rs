//! `/metrics` of running systems: well-formed, without tenants, and the figures add up.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use metering_core::envelope::{EncodedRecord, encode};
use metering_core::partition::partition_of;
use metering_core::record::{Record, Report};
use metering_log::topology;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::deployment::{Deployment, free_port};
use crate::support::quota::Caller;
use crate::support::scrape::Scrape;
use crate::support::{Meterd, connect_nats};

const TENANT: &str = "tenant.nobody.may.read";
const PARTITIONS: u16 = 2;
/// The books are read every two seconds; the rest is for busy machines.
const PATIENCE: Duration = Duration::from_secs(30);

async fn post(deployment: &Deployment, body: &Value) -> (u16, Value) {
    let url = format!("{}/v1/meter/events", deployment.gateway.url());
    let request = reqwest::Client::new().post(url).json(body);
    let answer = request.bearer_auth(&deployment.admin_key).send().await;
    let answer = answer.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

fn event(id: u128, quantity: i64) -> Value {
    json!({
        "id": Uuid::from_u128(0x0193_a5b0_7c1d_7000_8000_0000_0000_0000 | id),
        "tenant_id": TENANT,
        "resource": "resource.nobody.may.read",
        "feature": "feature.nobody.may.read",
        "quantity": quantity,
        "timestamp": "2025-11-20T10:31:00Z",
        "metadata": {"user": "user.nobody.may.read"},
    })
}

/// Puts a message into the log of the tenant's partition as no gateway would.
async fn append(deployment: &Deployment, message: Vec<u8>) {
    let url = deployment.servers.variable("METERD_NATS_URL");
    let log = jetstream::new(connect_nats(url).await);
    let partition = partition_of(TENANT, PARTITIONS);
    let nats_subject = topology::nats_subject(topology::GENERATION, partition);
    let sent = log.publish(nats_subject, message.into()).await;
    sent.expect("NATS answers").await.expect("it is stored");
}

/// A report that no gateway accepts.
fn negative() -> Vec<u8> {
    let report = Report {
        id: Uuid::from_u128(1),
        tenant_id: TENANT,
        resource: "a",
        feature: "b",
        quantity: -1,
        timestamp_us: 0,
        metadata: "{}",
        received_us: 0,
        payload_hash: 0,
        request_id: Uuid::from_u128(2),
    };
    encode(1, 0, [EncodedRecord::new(&Record::Report(report))].iter())
}

/// An envelope of a later version of meterd.
fn unknown_version() -> Vec<u8> {
    let mut message = encode(1, 0, [].iter());
    message[4] = 99;
    let body = message.len() - 4;
    let crc = crc32fast::hash(&message[..body]);
    message[body..].copy_from_slice(&crc.to_le_bytes());
    message
}

async fn until(url: &str, what: &str, done: impl Fn(&Scrape) -> bool) -> Scrape {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let scrape = Scrape::of(url).await;
        if done(&scrape) {
            return scrape;
        }
        assert!(
            Instant::now() < deadline,
            "{what} was not seen: {scrape:#?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A name, labels, and the sum of the samples that have them.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

fn check(scrape: &Scrape, expected: &[Expected<'_>]) {
    for (name, labels, value) in expected {
        assert_eq!(
            scrape.sum(name, labels).to_bits(),
            value.to_bits(),
            "{name} {labels:?}"
        );
    }
}

/// Eight accepted events of which four count, and two records that no gateway wrote.
async fn use_it(deployment: &Deployment) {
    let three = json!([event(1, 5), event(2, 6), event(3, 7), event(1, 5)]);
    let (status, answer) = post(deployment, &three).await;
    assert_eq!(
        (status, &answer["duplicates"]),
        (202, &json!(1)),
        "{answer}"
    );
    assert_eq!(post(deployment, &three).await.0, 202);
    assert_eq!(post(deployment, &event(1, 50)).await.0, 202);
    assert_eq!(post(deployment, &event(4, -1)).await.0, 422);
    let mut strange = event(5, 1);
    strange["resource"] = json!("no name");
    let (status, answer) = post(deployment, &json!([event(6, 1), strange])).await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(1)), "{answer}");
    append(deployment, b"no envelope".to_vec()).await;
    append(deployment, negative()).await;
}

const REQUESTS: &str = "meterd_http_request_duration_seconds_count";
const POST: [(&str, &str); 2] = [("method", "POST"), ("route", "/v1/meter/events")];

const GATEWAY: &[Expected<'_>] = &[
    ("meterd_ingest_events_accepted_total", &[], 8.0),
    ("meterd_ingest_events_duplicate_total", &[], 2.0),
    (
        "meterd_ingest_events_rejected_total",
        &[("code", "invalid_quantity")],
        1.0,
    ),
    (
        "meterd_ingest_events_rejected_total",
        &[("code", "invalid_identifier")],
        1.0,
    ),
    ("meterd_ingest_events_rejected_total", &[], 2.0),
    ("meterd_ingest_request_events_sum", &[], 8.0),
    ("meterd_ingest_request_events_count", &[], 4.0),
    ("meterd_log_envelope_records_sum", &[], 8.0),
    ("meterd_log_append_duration_seconds_count", &[], 4.0),
    ("meterd_log_append_failures_total", &[], 0.0),
    ("meterd_log_queue_bytes", &[], 0.0),
    (REQUESTS, &[POST[0], POST[1], ("status", "2xx")], 4.0),
    (REQUESTS, &[POST[0], POST[1], ("status", "4xx")], 1.0),
    (REQUESTS, &POST, 5.0),
    (
        "meterd_http_problems_total",
        &[("code", "invalid_quantity")],
        1.0,
    ),
    // This scrape.
    ("meterd_http_requests_in_flight", &[], 1.0),
    ("meterd_auth_keys_current", &[], 1.0),
    ("meterd_build_info", &[], 1.0),
];

const WORKER: &[Expected<'_>] = &[
    ("meterd_worker_freshness_seconds_count", &[], 9.0),
    ("meterd_worker_batch_records_sum", &[], 10.0),
    (
        "meterd_worker_dead_letters_total",
        &[("code", "broken_envelope")],
        1.0,
    ),
    (
        "meterd_worker_dead_letters_total",
        &[("code", "invalid_event")],
        1.0,
    ),
    ("meterd_worker_partitions", &[], 2.0),
    ("meterd_worker_alarm", &[], 0.0),
    ("meterd_ready", &[("part", "worker")], 1.0),
];

const BOOKS: &[Expected<'_>] = &[
    ("meterd_projection_logged_records_total", &[], 10.0),
    ("meterd_projection_records_total", &[], 10.0),
    (
        "meterd_projection_records_total",
        &[("outcome", "persisted")],
        4.0,
    ),
    (
        "meterd_projection_records_total",
        &[("outcome", "duplicate")],
        4.0,
    ),
    (
        "meterd_projection_records_total",
        &[("outcome", "dead")],
        2.0,
    ),
    ("meterd_projection_conflicts_total", &[], 1.0),
    ("meterd_projection_lag_messages", &[], 0.0),
    ("meterd_projection_lag_seconds", &[], 0.0),
];

fn read_everything(scrape: &Scrape) -> bool {
    scrape.sum("meterd_projection_logged_records_total", &[]) >= 10.0
        && scrape.sum("meterd_projection_lag_messages", &[]) < 1.0
}

#[tokio::test]
async fn the_figures_of_all_roles_add_up() {
    let mut deployment = Deployment::start(1, &[]).await;
    use_it(&deployment).await;

    let gateway = Scrape::of(&deployment.gateway.url()).await;
    check(&gateway, GATEWAY);

    let worker_url = deployment.workers[0].url();
    let worker = until(&worker_url, "everything read", |scrape| {
        read_everything(scrape) && scrape.sum("meterd_worker_freshness_seconds_count", &[]) >= 9.0
    })
    .await;
    check(&worker, BOOKS);
    check(&worker, WORKER);
    let last = gateway_sequence(&deployment, &worker).await;
    assert_eq!(
        last.to_bits(),
        worker.sum("meterd_projection_sequence", &[]).to_bits()
    );

    let query = Scrape::of(&deployment.query.url()).await;
    assert!(query.sum("meterd_query_postgres_connections", &[]) >= 1.0);
    let quota = quota(&mut deployment).await;
    for scrape in [&gateway, &worker, &query, &quota] {
        for value in scrape.label_values() {
            assert!(!value.contains("nobody.may.read"), "{value}");
        }
    }
    documents_name_what_there_is(&[&gateway, &worker, &query, &quota]);

    // The books survive their worker, and a worker that stands still is seen to.
    deployment.workers[0].kill9().await;
    deployment.workers[0].ready().await;
    check(
        &until(&worker_url, "the books again", read_everything).await,
        BOOKS,
    );
    stand_still(&deployment, &worker_url).await;
}

/// The figures of a quota service that has decided something and written its books.
async fn quota(deployment: &mut Deployment) -> Scrape {
    deployment.add_quota().await;
    let url = deployment.quotas[0].url();
    let caller = Caller::new(&url, &deployment.admin_key);
    let check = json!({ "tenant_id": TENANT, "feature": "feature.nobody.may.read" });
    caller.decide(&check).await;
    until(&url, "written books", |scrape| {
        scrape.sum("meterd_quota_books_sequence", &[]) >= 1.0
            && scrape.sum("meterd_quota_mirror_sequence", &[]) >= 1.0
    })
    .await
}

/// The newest sequences as the gateway sees them, once it has looked.
async fn gateway_sequence(deployment: &Deployment, worker: &Scrape) -> f64 {
    let applied = worker.sum("meterd_projection_sequence", &[]);
    let name = "meterd_log_last_sequence";
    let seen = |scrape: &Scrape| scrape.sum(name, &[]) >= applied;
    until(&deployment.gateway.url(), "the newest sequence", seen)
        .await
        .sum(name, &[])
}

async fn stand_still(deployment: &Deployment, worker_url: &str) {
    append(deployment, unknown_version()).await;
    assert_eq!(post(deployment, &event(7, 1)).await.0, 202);
    let partition = partition_of(TENANT, PARTITIONS).to_string();
    let labels = [("partition", partition.as_str())];
    let worker = until(worker_url, "a lag", |scrape| {
        scrape.sum("meterd_projection_lag_messages", &labels) >= 2.0
            && scrape.sum("meterd_projection_lag_seconds", &labels) > 3.0
    })
    .await;
    let other = (1 - partition_of(TENANT, PARTITIONS)).to_string();
    check(
        &worker,
        &[
            ("meterd_worker_alarm", &labels, 1.0),
            ("meterd_worker_alarm", &[("partition", other.as_str())], 0.0),
            (
                "meterd_projection_lag_messages",
                &[("partition", other.as_str())],
                0.0,
            ),
            ("meterd_ready", &[("part", "worker")], 0.0),
        ],
    );
}

/// Alert rules and dashboards mention no metric that nobody has.
fn documents_name_what_there_is(scrapes: &[&Scrape]) {
    let known: BTreeSet<&str> = scrapes.iter().flat_map(|scrape| scrape.names()).collect();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let mut mentioned = BTreeSet::new();
    for file in [
        "prometheus/alerts.yaml",
        "grafana/meterd.json",
        "../docs/operations.md",
    ] {
        let text = fs::read_to_string(deploy.join(file)).expect("a file of the checkout");
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let metrics = words.filter(|w| w.starts_with("meterd_") || w.starts_with("process_"));
        let before = mentioned.len();
        mentioned.extend(metrics.map(str::to_owned));
        assert!(mentioned.len() > before, "{file} mentions no metric");
    }
    for name in &mentioned {
        let known =
            known.contains(name.as_str()) || known.contains(format!("{name}_count").as_str());
        assert!(known, "{name} is mentioned and does not exist");
    }
}

#[tokio::test]
async fn metrics_may_be_served_elsewhere() {
    let elsewhere = format!("127.0.0.1:{}", free_port());
    let meterd = Meterd::start(&["--metrics-listen", &elsewhere]).await;
    let status = |url: String| async move {
        let answer = reqwest::get(url).await.expect("an answer");
        answer.status().as_u16()
    };
    assert_eq!(status(format!("{}/metrics", meterd.url)).await, 404);
    assert_eq!(
        status(format!("http://{elsewhere}/v1/meter/events")).await,
        404
    );
    let scrape = Scrape::of(&format!("http://{elsewhere}")).await;
    for part in ["api keys", "worker", "query"] {
        check(&scrape, &[("meterd_ready", &[("part", part)], 1.0)]);
    }
    meterd.stop().await;
}
