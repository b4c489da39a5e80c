//! A gateway on a log in memory, which can be told to fail.

use std::sync::Arc;
use std::time::Duration;

use api_conformance::{Answer, Description};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use clap::Parser as _;
use http_body_util::BodyExt as _;
use ingest_gateway::{Config, GatewayState};
use metering_core::Record;
use metering_core::envelope::Envelope;
use metering_core::record::Report;
use metering_log::{Backend as _, Durability, MemoryBackend, Publisher, PublisherConfig};
use serde_json::{Value, json};
use service_kit::auth::Keys;
use service_kit::clock;
use service_kit::key::{ApiKey, ApiKeySecret, Scope};
use service_kit::keys::KnownKey;
use service_kit::metrics::Metrics;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use uuid::Uuid;

#[derive(clap::Parser)]
struct Settings {
    #[command(flatten)]
    config: Config,
}

pub(crate) struct World {
    pub(crate) log: MemoryBackend,
    pub(crate) router: Router,
    pub(crate) keys: Keys,
    pub(crate) key: String,
}

impl World {
    /// A gateway with these settings.
    pub(crate) async fn new(args: &[&str]) -> Self {
        let log = MemoryBackend::new();
        let config = PublisherConfig {
            generation: 1,
            partitions: 2,
            boot_id: Uuid::new_v4(),
            publish_timeout: Duration::from_secs(1),
            clock: clock::now,
        };
        let publisher =
            Publisher::start(Arc::new(log.clone()), config, CancellationToken::new()).await;
        let metrics = Metrics::default();
        let Settings { config } = Settings::parse_from([&["test"], args].concat());
        let state = GatewayState::new(
            config,
            publisher.unwrap(),
            "secret",
            Durability::Fsync,
            &metrics,
        );
        let keys = Keys::default();
        // Nobody watches them here.
        keys.confirm(Instant::now() + Duration::from_hours(1));
        let router =
            service_kit::http::finish(ingest_gateway::router(state, keys.clone()), &metrics);
        let key = add_key(&keys, &[Scope::Ingest], None);
        Self {
            log,
            router,
            keys,
            key,
        }
    }

    pub(crate) fn post(&self) -> axum::http::request::Builder {
        Request::post("/v1/meter/events")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key))
            .header(header::CONTENT_TYPE, "application/json")
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let content_type = response.headers()[header::CONTENT_TYPE].clone();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        described().check(Answer {
            method: method.as_str(),
            path: &path,
            status: status.as_u16(),
            content_type: content_type.to_str().unwrap(),
            body: &body,
        });
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) async fn ingest(&self, body: impl Into<Body>) -> (StatusCode, Value) {
        self.send(self.post().body(body.into()).unwrap()).await
    }

    /// (tenant, id) of all reports in the log.
    pub(crate) async fn reports(&self) -> Vec<(String, Uuid)> {
        let mut found = Vec::new();
        let see = |report: &Report<'_>| found.push((report.tenant_id.to_owned(), report.id));
        self.for_each_report(see).await;
        found
    }

    /// Shows all reports in the log to `see`.
    pub(crate) async fn for_each_report(&self, mut see: impl FnMut(&Report<'_>)) {
        for partition in 0..2 {
            for seq in 1..=self.log.info(partition).await.unwrap().last_seq {
                let message = self.log.get(partition, seq).await.unwrap().unwrap();
                for record in Envelope::decode(&message.payload).unwrap().records() {
                    if let Record::Report(report) = record.unwrap() {
                        see(&report);
                    }
                }
            }
        }
    }
}

/// What every answer is held to.
fn described() -> Description {
    let mut document = service_kit::openapi::base();
    document.merge(ingest_gateway::openapi());
    Description::new(serde_json::to_value(document).unwrap())
}

pub(crate) fn add_key(keys: &Keys, scopes: &[Scope], tenant: Option<&str>) -> String {
    let secret = ApiKeySecret::generate();
    let key = ApiKey {
        id: secret.id().to_owned(),
        name: "test".to_owned(),
        secret_sha256: secret.sha256(),
        scopes: scopes.to_vec(),
        tenant_id: tenant.map(str::to_owned),
        created_at: clock::now(),
        expires_at: None,
    };
    keys.put(key.id.clone(), KnownKey::new(1, Some(key)));
    secret.as_str().to_owned()
}

pub(crate) fn event(tenant: &str, id: u128, quantity: i64) -> Value {
    let id = Uuid::from_u128(id);
    json!({ "id": id, "tenant_id": tenant, "resource": "r", "feature": "f", "quantity": quantity })
}
