//! `meterd up --demo`: the traffic of a made-up company's customers, for a presentation.
//!
//! What happens in an hour is a function of that hour: a restart sends the past again with the same
//! ids, and every event counts once.

use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::{DateTime, Datelike as _, DurationRound as _, TimeDelta, Timelike as _, Utc};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use service_kit::clock;
use uuid::Uuid;

/// How much past there is when it is first started.
const PAST: TimeDelta = TimeDelta::days(21);
/// Between two looks at what has happened meanwhile.
const TICK: Duration = Duration::from_secs(1);
/// Events of one request.
const BATCH: usize = 2000;
/// Events in the busiest hour of a working day, over all tenants.
const BUSIEST_HOUR: u32 = 600;
/// One event in so many is sent late, by up to [`LATEST_MINUTES`].
const LATE_ONE_IN: u32 = 40;
const LATEST_MINUTES: i64 = 300;
/// One event in so many is one that no meter accepts.
const BAD_ONE_IN: u32 = 150;

/// A customer and its share of all traffic.
const TENANTS: [(&str, u32); 12] = [
    ("acme-corp", 30),
    ("globex", 18),
    ("initech", 12),
    ("umbrella-health", 10),
    ("wayne-enterprises", 8),
    ("stark-industries", 7),
    ("hooli", 5),
    ("vandelay-imports", 4),
    ("auth0|66b2f0c1d4a94e2f8c1b7a55", 2),
    ("soylent", 2),
    ("wonka-factory", 1),
    ("tyrell", 1),
];

/// A resource, a feature, its share of all events, and the quantities of one event.
const FEATURES: [(&str, &str, u32, std::ops::RangeInclusive<u32>); 10] = [
    ("invoices", "invoice_generate", 20, 1..=3),
    ("invoices", "pdf_export", 14, 1..=40),
    ("search", "query", 26, 1..=1),
    ("search", "autocomplete", 16, 1..=8),
    ("assistant", "summarize", 5, 80..=900),
    ("assistant", "translate", 4, 60..=600),
    ("storage", "upload", 6, 1..=120),
    ("storage", "download", 5, 1..=90),
    ("reports", "csv_export", 3, 1..=5),
    ("api", "GET:/invoices/:id", 9, 1..=1),
];

const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "ap-south-1"];
/// Per cent of the busiest hour, by hour of the day in UTC.
const RHYTHM: [u32; 24] = [
    12, 10, 8, 8, 10, 16, 30, 55, 80, 94, 100, 96, 84, 90, 97, 92, 80, 66, 50, 40, 32, 26, 20, 15,
];

/// Sends what has happened and goes on with what happens, until it is dropped.
pub(crate) async fn run(url: String, admin_key: String) {
    let meterd = Meterd {
        http: reqwest::Client::new(),
        events: format!("{url}/v1/meter/events"),
        admin_key,
    };
    let mut sent_to = clock::now() - PAST;
    loop {
        let now = clock::now();
        match meterd.send(&due(sent_to, now)).await {
            Ok(()) => sent_to = now,
            Err(error) => tracing::warn!("the demo's traffic waits: {error:#}"),
        }
        tokio::time::sleep(TICK).await;
    }
}

struct Meterd {
    http: reqwest::Client,
    events: String,
    admin_key: String,
}

impl Meterd {
    async fn send(&self, events: &[Value]) -> Result<()> {
        for batch in events.chunks(BATCH) {
            let request = self.http.post(&self.events).bearer_auth(&self.admin_key);
            let status = request.json(&batch).send().await?.status();
            // 422: all of the batch were bad ones.
            ensure!(
                status.is_success() || status == reqwest::StatusCode::UNPROCESSABLE_ENTITY,
                "events were answered {status}"
            );
        }
        Ok(())
    }
}

/// The events that are sent after `from` and until `to`.
fn due(from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Value> {
    let hour = TimeDelta::hours(1);
    let earliest = from - TimeDelta::minutes(LATEST_MINUTES);
    let Ok(first) = earliest.duration_trunc(hour) else {
        return Vec::new();
    };
    std::iter::successors(Some(first), |start| Some(*start + hour))
        .take_while(|start| *start <= to)
        .flat_map(happening)
        .filter(|event| from < event.sent_at && event.sent_at <= to)
        .map(|event| event.body)
        .collect()
}

struct Happening {
    sent_at: DateTime<Utc>,
    body: Value,
}

/// What happens in the hour that begins at `start`.
fn happening(start: DateTime<Utc>) -> Vec<Happening> {
    let seed = start.timestamp().unsigned_abs();
    let mut random = StdRng::seed_from_u64(seed);
    let weekend = start.weekday().number_from_monday() > 5;
    let rhythm = RHYTHM[start.hour() as usize % RHYTHM.len()];
    let busiest = if weekend {
        BUSIEST_HOUR / 4
    } else {
        BUSIEST_HOUR
    };
    let count = busiest * rhythm / 100 + random.random_range(0..=busiest / 10);
    (0..count)
        .map(|index| happens(start, index, &mut random))
        .collect()
}

fn happens(start: DateTime<Utc>, index: u32, random: &mut StdRng) -> Happening {
    let at = start + TimeDelta::milliseconds(random.random_range(0..3_600_000));
    let late = random.random_ratio(1, LATE_ONE_IN);
    let delay = if late {
        random.random_range(1..=LATEST_MINUTES)
    } else {
        0
    };
    let (tenant_id, _) = TENANTS[pick(TENANTS.iter().map(|(_, share)| *share), random)];
    let (resource, feature, _, quantities) =
        FEATURES[pick(FEATURES.iter().map(|(_, _, share, _)| *share), random)].clone();
    let quantity = i64::from(random.random_range(quantities));
    let bad = random.random_ratio(1, BAD_ONE_IN);
    let name = format!("demo/{}/{index}", start.timestamp());
    let body = json!({
        "id": Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()),
        "tenant_id": tenant_id,
        "resource": resource,
        "feature": feature,
        "quantity": if bad { -quantity } else { quantity },
        "timestamp": at,
        "metadata": {
            "user": format!("u_{:03}", random.next_u32() % 400),
            "region": REGIONS[random.random_range(0..REGIONS.len())],
            "duration_ms": random.random_range(3..900),
            "late": late,
        },
    });
    Happening {
        sent_at: at + TimeDelta::minutes(delay),
        body,
    }
}

/// An index, each as probable as its share.
fn pick(shares: impl Iterator<Item = u32> + Clone, random: &mut StdRng) -> usize {
    let mut left = random.random_range(0..shares.clone().sum());
    for (index, share) in shares.enumerate() {
        match left.checked_sub(share) {
            Some(rest) => left = rest,
            None => return index,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_same_hour_is_the_same_however_it_is_cut() {
        let (from, to) = (at("2026-11-24T09:00:00Z"), at("2026-11-24T12:00:00Z"));
        let whole = due(from, to);
        let middle = at("2026-11-24T10:17:31.5Z");
        let mut parts = due(from, middle);
        parts.extend(due(middle, to));
        let ids = |events: &[Value]| {
            let mut ids: Vec<String> = events.iter().map(|e| e["id"].to_string()).collect();
            ids.sort_unstable();
            ids
        };
        assert!(whole.len() > 1000, "{} events", whole.len());
        assert_eq!(ids(&whole), ids(&parts));
    }

    #[test]
    fn nights_are_quiet_some_events_are_late_and_some_are_bad() {
        let day: Vec<_> = (0..24)
            .map(|h| happening(at("2026-11-24T00:00:00Z") + TimeDelta::hours(h)))
            .collect();
        assert!(day[3].len() * 3 < day[10].len());
        let all = || day.iter().flatten();
        let bad = all()
            .filter(|e| e.body["quantity"].as_i64() < Some(0))
            .count();
        let late = all().filter(|e| e.body["metadata"]["late"] == true).count();
        assert!(bad > 10 && late > 50, "{bad} bad, {late} late");
    }
}
