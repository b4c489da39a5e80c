//! A database with usage in it, as the worker would have left it, and a client of the router.

use std::sync::Arc;
use std::time::Duration;

use api_conformance::{Answer as Described, Description};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use chrono::{DateTime, Utc};
use metering_core::aggregate::{day_start, key_bucket};
use metering_log::keys::KeyBucket;
use metering_log::{
    MemoryBackend, NatsBackend, NatsConfig, Publisher, PublisherConfig, SharedBackend,
};
use metering_store::{Store, event_key, sqlx, usage_event};
use query_api::{Config, QueryBroker, QueryState};
use serde_json::Value;
use service_kit::auth::{Keys, Scope};
use service_kit::http;
use service_kit::key::{ApiKey, ApiKeySecret};
use service_kit::keys::KnownKey;
use service_kit::metrics::Metrics;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use uuid::Uuid;

pub(crate) const SECRET: &str = "a secret of tests";
pub(crate) const INCARNATION: Uuid = Uuid::from_u128(0x1ca);

pub(crate) fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A UUIDv7 of November 2025.
pub(crate) fn v7(number: u128) -> Uuid {
    Uuid::from_u128((0x019a_9b5e_0000_u128 << 80) | (7 << 76) | (2 << 62) | number)
}

#[derive(Debug, Clone)]
pub(crate) struct Used {
    pub(crate) id: Uuid,
    pub(crate) tenant: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) feature: &'static str,
    pub(crate) quantity: i64,
    pub(crate) timestamp: DateTime<Utc>,
    pub(crate) metadata: &'static str,
}

/// One unit of org_001's.
pub(crate) fn used(number: u128, timestamp: &str) -> Used {
    Used {
        id: v7(number),
        tenant: "org_001",
        resource: "billing",
        feature: "invoice_generate",
        quantity: 1,
        timestamp: utc(timestamp),
        metadata: r#"{"user":"u_1"}"#,
    }
}

pub(crate) struct World {
    /// Of its database, as a role that may do everything there.
    pub(crate) url: String,
    pub(crate) store: Store,
    pub(crate) state: QueryState,
    pub(crate) keys: Keys,
    router: Router,
    admin: String,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// The problem's code.
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment which servers they have"
)]
fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is missing: run `make test`"))
}

/// The broker, with a bucket of keys of one's own.
async fn new_broker() -> QueryBroker {
    let config = NatsConfig {
        url: server("METERD_NATS_URL"),
        monitor_url: None,
        generation: 1,
        replicas: 1,
        max_bytes_per_partition: 1 << 20,
        timeout: Duration::from_secs(2),
        allow_async_durability: true,
    };
    let backend = Box::pin(NatsBackend::connect(config)).await.unwrap();
    let name = format!("KEYS_{}", Uuid::new_v4().simple());
    let bucket = KeyBucket::open(backend.client(), &name, 1).await.unwrap();
    // Streams are shared by all tests on a broker, so here the log is in memory.
    let log: SharedBackend = Arc::new(MemoryBackend::new());
    log.ensure(0).await.unwrap();
    let config = PublisherConfig {
        generation: 1,
        partitions: 1,
        boot_id: Uuid::new_v4(),
        publish_timeout: Duration::from_secs(2),
        clock: service_kit::clock::now,
    };
    let publisher = Publisher::start(log.clone(), config, CancellationToken::new());
    let keys = Keys::default();
    // Nobody watches them here.
    keys.confirm(Instant::now() + Duration::from_hours(1));
    QueryBroker {
        log,
        publisher: publisher.await.unwrap(),
        bucket,
        keys,
    }
}

/// The URL of a new database.
async fn new_database() -> String {
    let url = server("METERD_POSTGRES_URL");
    let after_scheme = url.find("://").unwrap() + 3;
    let end = url[after_scheme..]
        .find(['/', '?'])
        .map_or(url.len(), |i| after_scheme + i);
    let query = url.find('?').map_or("", |i| &url[i..]);
    let name = format!("query_{}", Uuid::new_v4().simple());
    let admin = Store::connect(&format!("{}/postgres{query}", &url[..end]), 1)
        .await
        .unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}")))
        .execute(admin.pool())
        .await
        .unwrap();
    admin.pool().close().await;
    format!("{}/{name}{query}", &url[..end])
}

/// What every answer is held to.
fn described() -> Description {
    let mut document = service_kit::openapi::base();
    document.merge(query_api::openapi());
    Description::new(serde_json::to_value(document).unwrap())
}

impl World {
    pub(crate) async fn new() -> Self {
        let url = new_database().await;
        let store = Store::connect(&url, 4).await.unwrap();
        store.migrate().await.unwrap();
        let config = Config {
            connections: 4,
            statement_timeout_ms: 10_000,
        };
        let broker = Box::pin(new_broker()).await;
        let keys = broker.keys.clone();
        let (metrics, stop) = (Metrics::default(), CancellationToken::new());
        let starting = query_api::start(config, &url, SECRET, broker, &metrics, stop);
        let state = Box::pin(starting).await.unwrap();
        let router = http::finish(query_api::router(state.clone()), &metrics);
        let mut world = Self {
            url,
            store,
            state,
            keys,
            router,
            admin: String::new(),
        };
        world.admin = world.key(&[Scope::Admin], None);
        world
    }

    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// The text of a key that may do everything.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// A new API key's text.
    pub(crate) fn key(&self, scopes: &[Scope], tenant_id: Option<&str>) -> String {
        let secret = ApiKeySecret::generate();
        let key = ApiKey {
            id: secret.id().to_owned(),
            name: "test".to_owned(),
            secret_sha256: secret.sha256(),
            scopes: scopes.to_vec(),
            tenant_id: tenant_id.map(str::to_owned),
            created_at: utc("2025-01-01T00:00:00Z"),
            expires_at: None,
        };
        self.keys.put(key.id.clone(), KnownKey::new(1, Some(key)));
        secret.as_str().to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_as(&self.admin, path, None).await
    }

    /// The answer of a request that must succeed.
    pub(crate) async fn ok(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.json
    }

    pub(crate) async fn get_as(&self, key: &str, path: &str, receipt: Option<&str>) -> Answer {
        let mut request = Request::get(path).header("authorization", format!("Bearer {key}"));
        if let Some(receipt) = receipt {
            request = request.header("meter-receipt", receipt);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let content_type = parts.headers.get("content-type");
        described().check(Described {
            method: method.as_str(),
            path: &path,
            status: parts.status.as_u16(),
            content_type: content_type.map_or("", |value| value.to_str().unwrap()),
            body: &bytes,
        });
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text,
            json,
        }
    }

    /// What the worker's transaction for message `seq` of `partition` leaves behind.
    pub(crate) async fn persist(&self, partition: i16, seq: i64, batch: &[Used]) {
        for used in batch {
            let day = day_start(used.timestamp.timestamp_micros());
            let pool = self.store.pool();
            usage_event::ensure_day(pool, day).await.unwrap();
            event_key::ensure_bucket(pool, key_bucket(used.id))
                .await
                .unwrap();
        }
        let mut tx = self.store.pool().begin().await.unwrap();
        sqlx::query(PROGRESS)
            .bind(partition)
            .bind(INCARNATION)
            .bind(seq)
            .execute(&mut *tx)
            .await
            .unwrap();
        for (index, used) in batch.iter().enumerate() {
            let names = [used.tenant, used.resource, used.feature];
            sqlx::query(
                "insert into dimension (name) select unnest($1::text[]) on conflict do nothing",
            )
            .bind(&names[..])
            .execute(&mut *tx)
            .await
            .unwrap();
            sqlx::query(EVENT)
                .bind(used.timestamp)
                .bind(used.id)
                .bind(key_bucket(used.id))
                .bind(partition)
                .bind(seq)
                .bind(i32::try_from(index).unwrap())
                .bind(used.quantity)
                .bind(&names[..])
                .bind(used.metadata)
                .execute(&mut *tx)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
    }
}

const PROGRESS: &str = "insert into progress (projection, partition, incarnation, seq, hash)
    values ('usage', $1, $2, $3, 0)
    on conflict (projection, partition) do update set seq = excluded.seq";

/// Raw row, key and both granularities of both aggregates.
const EVENT: &str = "with ids as (
        select t.id as t, r.id as r, f.id as f from dimension t, dimension r, dimension f
        where t.name = ($8::text[])[1] and r.name = ($8::text[])[2] and f.name = ($8::text[])[3]
    ), raw as (
        insert into usage_event select $1, $1 + interval '1 second', $1 + interval '2 seconds', $2,
            $5, $7, $6, t, r, f, $4, $2, $9::jsonb from ids
    ), key as (
        insert into event_key select $3, $2, t, $4, $5, $6, 0, $1 from ids
    ), cells as (
        select g, date_bin(g * interval '1 minute', $1, '2000-01-01 00:00:00+00') as start
        from unnest(array[15, 1440]::smallint[]) as g
    ), everybody as (
        insert into usage_aggregate_all as a select g, start, $4, r, f, $7, 1 from ids, cells
        on conflict (granularity, window_start, partition, resource_id, feature_id) do update
        set total_quantity = a.total_quantity + excluded.total_quantity,
            event_count = a.event_count + 1
    )
    insert into usage_aggregate as a (granularity, window_start, tenant_id, resource_id,
        feature_id, total_quantity, event_count)
    select g, start, t, r, f, $7, 1 from ids, cells
    on conflict (granularity, window_start, tenant_id, resource_id, feature_id) do update
    set total_quantity = a.total_quantity + excluded.total_quantity,
        event_count = a.event_count + 1";
