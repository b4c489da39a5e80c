//! Random usage, and what the specification says about it in the plainest words.

use std::collections::BTreeMap;

use chrono::DateTime;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::{Builder, Uuid};

const TENANTS: [&str; 5] = ["org_001", "auth0|5", "z", "org_002", "a.b"];
const RESOURCES: [&str; 3] = ["llm", "pdf", "GET:/invoices/:id"];
const FEATURES: [&str; 3] = ["gpt-5", "render", "list"];

const SECOND: i64 = 1_000_000;
const DAY: i64 = 24 * 60 * 60 * SECOND;
const QUARTER: i64 = 15 * 60 * SECOND;
/// 2025-11-20T10:00:00Z, where most events happen.
const BUSY_HOUR: i64 = 1_763_632_800 * SECOND;
/// All events lie in here.
pub(crate) const RANGE: (&str, &str) = ("2019-01-01T00:00:00Z", "2026-01-01T00:00:00Z");

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Uuid,
    pub(crate) tenant: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) feature: &'static str,
    pub(crate) quantity: i64,
    pub(crate) timestamp_us: i64,
}

impl Event {
    pub(crate) fn random(rng: &mut StdRng) -> Self {
        let timestamp_us = match rng.random_range(0..10) {
            0..6 => BUSY_HOUR + rng.random_range(0..3600 * SECOND),
            6 => BUSY_HOUR + QUARTER * rng.random_range(0..9),
            7..9 => BUSY_HOUR - rng.random_range(0..20 * DAY),
            _ => BUSY_HOUR - rng.random_range(0..6 * 365 * DAY),
        };
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        let id = if rng.random_bool(0.3) {
            Builder::from_random_bytes(bytes)
        } else {
            let ms = u64::try_from(timestamp_us / 1000).expect("after 1970");
            let tail = bytes.first_chunk().expect("ten of sixteen");
            Builder::from_unix_timestamp_millis(ms, tail)
        };
        Self {
            id: id.into_uuid(),
            tenant: TENANTS[rng.random_range(0..TENANTS.len())],
            resource: RESOURCES[rng.random_range(0..RESOURCES.len())],
            feature: FEATURES[rng.random_range(0..FEATURES.len())],
            quantity: rng.random_range(0..20) * rng.random_range(0..1000),
            timestamp_us,
        }
    }

    pub(crate) fn key(&self) -> Key {
        (self.tenant.to_owned(), self.id)
    }

    pub(crate) fn json(&self) -> Value {
        let at = DateTime::from_timestamp_micros(self.timestamp_us).expect("an instant");
        json!({
            "id": self.id, "tenant_id": self.tenant, "resource": self.resource,
            "feature": self.feature, "quantity": self.quantity, "timestamp": at.to_rfc3339(),
            "metadata": { "n": self.quantity },
        })
    }

    fn row(&self) -> Row {
        let (resource, feature) = (self.resource.to_owned(), self.feature.to_owned());
        (resource, feature, self.quantity, self.timestamp_us)
    }
}

/// Tenant and id.
pub(crate) type Key = (String, Uuid);
/// Resource, feature, quantity, timestamp.
type Row = (String, String, i64, i64);
/// Granularity, start of the window, tenant ("" for all of them), resource, feature.
type Window = (i16, i64, String, String, String);
/// Quantity and count.
type Sum = (i64, i64);
/// Tenant, resource, feature.
type Group = (String, String, String);

/// What is to be seen, or is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    rows: BTreeMap<Key, Row>,
    windows: BTreeMap<Window, Sum>,
}

impl Usage {
    /// Of events with different ids.
    pub(crate) fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut usage = Self::default();
        for event in events {
            for (granularity, length) in [(15, QUARTER), (1440, DAY)] {
                for tenant in [event.tenant, ""] {
                    let start = event.timestamp_us - event.timestamp_us % length;
                    let [tenant, resource, feature] =
                        [tenant, event.resource, event.feature].map(str::to_owned);
                    let window = (granularity, start, tenant, resource, feature);
                    let sum = usage.windows.entry(window).or_default();
                    *sum = (sum.0 + event.quantity, sum.1 + 1);
                }
            }
            let other = usage.rows.insert(event.key(), event.row());
            assert!(other.is_none(), "an oracle's event has an id of its own");
        }
        usage
    }

    pub(crate) async fn in_database(pool: &PgPool) -> Self {
        let rows: Vec<(String, Uuid, String, String, i64, i64)> = sqlx::query_as(
            "select t.name, e.id, r.name, f.name, quantity,
                    (extract(epoch from timestamp) * 1000000)::bigint
             from usage_event as e join dimension as t on t.id = tenant_id
             join dimension as r on r.id = resource_id join dimension as f on f.id = feature_id",
        )
        .fetch_all(pool)
        .await
        .expect("raw rows");
        let windows: Vec<(i16, i64, String, String, String, i64, i64)> = sqlx::query_as(
            "select granularity, (extract(epoch from window_start) * 1000000)::bigint,
                    coalesce(t.name, ''), r.name, f.name,
                    sum(total_quantity)::bigint, sum(event_count)::bigint
             from (select granularity, window_start, tenant_id, resource_id, feature_id,
                          total_quantity, event_count from usage_aggregate
                   union all
                   select granularity, window_start, null, resource_id, feature_id,
                          total_quantity, event_count from usage_aggregate_all) as a
             left join dimension as t on t.id = tenant_id
             join dimension as r on r.id = resource_id join dimension as f on f.id = feature_id
             group by 1, 2, 3, 4, 5",
        )
        .fetch_all(pool)
        .await
        .expect("aggregates");
        let count = rows.len();
        let usage = Self {
            rows: rows
                .into_iter()
                .map(|(tenant, id, r, f, quantity, at)| ((tenant, id), (r, f, quantity, at)))
                .collect(),
            windows: windows
                .into_iter()
                .map(|(granularity, start, t, r, f, quantity, events)| {
                    ((granularity, start, t, r, f), (quantity, events))
                })
                .collect(),
        };
        assert_eq!(usage.rows.len(), count, "an id has more than one raw row");
        usage
    }

    /// Fails with a few of the differences: there may be thousands.
    pub(crate) fn assert_eq(&self, seen: &Self) {
        assert_same("raw rows", &self.rows, &seen.rows);
        assert_same("aggregates", &self.windows, &seen.windows);
    }

    /// Sums over all time.
    pub(crate) fn groups(&self) -> BTreeMap<Group, Sum> {
        let mut groups = BTreeMap::<Group, Sum>::new();
        for ((tenant, _), (resource, feature, quantity, _)) in &self.rows {
            let group = (tenant.clone(), resource.clone(), feature.clone());
            let sum = groups.entry(group).or_default();
            *sum = (sum.0 + quantity, sum.1 + 1);
        }
        groups
    }
}

fn assert_same<K, V>(what: &str, expected: &BTreeMap<K, V>, seen: &BTreeMap<K, V>)
where
    K: Ord + std::fmt::Debug,
    V: PartialEq + std::fmt::Debug,
{
    let keys = expected.keys().chain(seen.keys());
    let differences: Vec<_> = keys
        .map(|key| (key, expected.get(key), seen.get(key)))
        .filter(|(_, expected, seen)| expected != seen)
        .take(5)
        .collect();
    assert!(
        differences.is_empty(),
        "{what}: (key, expected, seen) {differences:#?}"
    );
}
