//! A deleted key stops working everywhere, however the way to the broker is broken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::deployment::{Deployment, Role};
use crate::support::proxy::{Link, Proxy};

/// The guarantee.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(20);

/// A deployment of two gateways and two query servers; one of each reaches the broker through a
/// link that can be broken.
struct Linked {
    gateway: Role,
    query: Role,
    proxy: Proxy,
    deployment: Deployment,
    http: reqwest::Client,
}

impl Linked {
    async fn start() -> Self {
        let deployment = Deployment::start(1, &[]).await;
        let mut broker: reqwest::Url = deployment
            .servers
            .variable("METERD_NATS_URL")
            .parse()
            .expect("a URL");
        let port = broker.port().expect("a port");
        let proxy = Proxy::start(([127, 0, 0, 1], port).into()).await;
        broker.set_port(Some(proxy.address.port())).expect("a port");
        let through = [("METERD_NATS_URL", broker.as_str())];
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10));
        let mut linked = Self {
            gateway: deployment.role("gateway", &through),
            query: deployment.role("query", &through),
            proxy,
            http: http.build().expect("a client"),
            deployment,
        };
        linked.gateway.ready().await;
        linked.query.ready().await;
        linked
    }

    /// The four places, those behind the breakable link last.
    fn urls(&self) -> [(String, bool); 4] {
        [
            (self.deployment.gateway.url(), true),
            (self.deployment.query.url(), false),
            (self.gateway.url(), true),
            (self.query.url(), false),
        ]
    }

    async fn create_key(&self) -> Value {
        let url = format!("{}/v1/meter/keys", self.deployment.query.url());
        let body = json!({"name": "to be revoked", "scopes": ["ingest", "read"]});
        let request = self.http.post(url).json(&body);
        let sent = request.bearer_auth(&self.deployment.admin_key).send().await;
        let answer = sent.expect("an answer");
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json().await.expect("JSON")
    }

    /// Returns when the answer is there.
    async fn delete_key(&self, key: &Value) -> Instant {
        let id = key["id"].as_str().expect("an id");
        let url = format!("{}/v1/meter/keys/{id}", self.deployment.query.url());
        let request = self
            .http
            .delete(url)
            .bearer_auth(&self.deployment.admin_key);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        Instant::now()
    }
}

/// A request that the key allows, and the status of its answer.
async fn call(http: &reqwest::Client, url: &str, ingest: bool, secret: &str) -> Option<StatusCode> {
    let request = if ingest {
        let event = json!({"tenant_id": "org_001", "resource": "r", "feature": "f"});
        http.post(format!("{url}/v1/meter/events")).json(&event)
    } else {
        http.get(format!("{url}/v1/meter/aggregates"))
    };
    let answer = request.bearer_auth(secret).send().await.ok()?;
    Some(answer.status())
}

/// Every answer at one place, with the time it came.
async fn hammer(
    http: reqwest::Client,
    (url, ingest): (String, bool),
    secret: String,
    served: Arc<AtomicUsize>,
    stop: CancellationToken,
) -> Vec<(Instant, StatusCode)> {
    let mut answers = Vec::new();
    while !stop.is_cancelled() {
        if let Some(status) = call(&http, &url, ingest, &secret).await {
            if answers.is_empty() {
                assert!(status.is_success(), "{status}");
                served.fetch_add(1, Ordering::Relaxed);
            }
            answers.push((Instant::now(), status));
            if !status.is_success() {
                // A client's back-off.
                tokio::time::sleep(POLL).await;
            }
        }
    }
    answers
}

/// Hammers all four places, breaks the link as asked, deletes the key, and goes on for longer than
/// the guarantee. Returns for each place how long after the delete it last served a request, if it
/// did, and what it answered after that.
async fn revoke_under_load(
    linked: &Linked,
    link: Link,
) -> Vec<(Option<Duration>, Vec<StatusCode>)> {
    let key = linked.create_key().await;
    let secret = key["secret"].as_str().expect("a secret").to_owned();
    // A key is good everywhere as soon as it was made.
    for (url, ingest) in linked.urls() {
        let status = call(&linked.http, &url, ingest, &secret).await;
        assert!(
            status.is_some_and(|status| status.is_success()),
            "{status:?}"
        );
    }
    let (served, stop) = (Arc::<AtomicUsize>::default(), CancellationToken::new());
    let places = linked.urls().map(|place| {
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (http, served, stop) = (linked.http.clone(), served.clone(), stop.clone());
            connections.spawn(hammer(http, place.clone(), secret.clone(), served, stop));
        }
        connections
    });
    until("every connection is served", || async {
        served.load(Ordering::Relaxed) == 4 * CONNECTIONS
    })
    .await;
    linked.proxy.set(link);
    let deleted = linked.delete_key(&key).await;
    tokio::time::sleep_until((deleted + REVOKED_WITHIN + Duration::from_secs(2)).into()).await;
    stop.cancel();
    let mut outcomes = Vec::new();
    for connections in places {
        let answers = connections.join_all().await.concat();
        let served = answers.iter().filter(|(_, status)| status.is_success());
        let last = served.map(|(at, _)| *at).max();
        let mut after: Vec<StatusCode> = answers
            .iter()
            .filter(|(at, _)| last.is_none_or(|last| *at > last) && *at > deleted)
            .map(|(_, status)| *status)
            .collect();
        after.sort_unstable();
        after.dedup();
        let served_for = last.and_then(|last| last.checked_duration_since(deleted));
        outcomes.push((served_for, after));
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_stops_working_everywhere_in_time() {
    let linked = Linked::start().await;
    for (link, behind_it) in [
        (Link::Up, StatusCode::UNAUTHORIZED),
        (Link::HalfOpen, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let outcomes = revoke_under_load(&linked, link).await;
        let expected = [
            StatusCode::UNAUTHORIZED,
            StatusCode::UNAUTHORIZED,
            behind_it,
            behind_it,
        ];
        for ((served_for, after), expected) in outcomes.into_iter().zip(expected) {
            println!("link {link:?}: last served {served_for:?} after the delete, then {after:?}");
            assert!(served_for.is_none_or(|served| served < REVOKED_WITHIN));
            assert_eq!(after, [expected]);
        }
        linked.proxy.set(Link::Up);
        for (url, _) in linked.urls() {
            let waiting = "200 again";
            until(waiting, || async {
                let answer = linked.http.get(format!("{url}/readyz")).send().await;
                answer.is_ok_and(|answer| answer.status().is_success())
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_restarted_without_its_broker_says_that_it_cannot_tell() {
    let mut linked = Linked::start().await;
    let secret = linked.deployment.admin_key.clone();
    let typo = secret.replace("mk_", "mk-");
    for link in [Link::HalfOpen, Link::Down] {
        linked.proxy.set(link);
        linked.gateway.kill9().await;
        let url = linked.gateway.url();
        let health = format!("{url}/healthz");
        until("it runs", || async {
            linked.http.get(&health).send().await.is_ok()
        })
        .await;
        for key in [&secret, &typo] {
            let status = call(&linked.http, &url, true, key).await;
            assert_eq!(status, Some(StatusCode::SERVICE_UNAVAILABLE), "{link:?}");
        }
        let ready = linked.http.get(format!("{url}/readyz")).send().await;
        assert_eq!(
            ready.expect("an answer").status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        linked.proxy.set(Link::Up);
        until("202", || async {
            call(&linked.http, &url, true, &secret).await == Some(StatusCode::ACCEPTED)
        })
        .await;
    }
    // The broker itself hangs, and the gateway can still be told to stop.
    linked.deployment.servers.signal("nats", Signal::SIGSTOP);
    linked.gateway.kill9().await;
    let url = linked.gateway.url();
    until("503", || async {
        call(&linked.http, &url, true, &secret).await == Some(StatusCode::SERVICE_UNAVAILABLE)
    })
    .await;
    assert!(linked.gateway.stop().await.success());
    linked.deployment.servers.signal("nats", Signal::SIGCONT);
}

/// Polls until it is so.
async fn until<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !look().await {
        assert!(Instant::now() < deadline, "not seen in time: {what}");
        tokio::time::sleep(POLL).await;
    }
}
