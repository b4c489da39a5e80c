//! `meterd up --demo`: the traffic of a made-up company's customers, for a presentation.
//!
//! What happens in an hour is a function of that hour: a restart sends the past again with the same
//! ids, and every event counts once.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Datelike as _, DurationRound as _, TimeDelta, Timelike as _, Utc};
use metering_core::Record;
use metering_core::envelope::EncodedRecord;
use metering_core::partition::partition_of;
use metering_core::record::Report;
use metering_log::{Priority, Publisher};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
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
/// One bad event in so many gets past that, as by a gateway that did not look: a dead letter.
const UNCHECKED_ONE_IN: u32 = 80;

/// Whose use of what has a limit, for which it asks.
const LIMITED: (&str, &str) = ("acme-corp", "pdf_export");
/// What it has used of the limit when the past is over.
const USED_PERCENT: i64 = 93;
const ALERT_PERCENT: u8 = 80;

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
pub(crate) async fn run(url: String, admin_key: String, publisher: Publisher) {
    let started = clock::now();
    let meterd = Meterd {
        http: reqwest::Client::new(),
        url,
        admin_key,
        publisher,
        started,
    };
    let mut sent_to = started - PAST;
    // Before what it counts, so that its alert is raised.
    let quota = quota(sent_to, started);
    while let Err(error) = meterd.call(Method::PUT, "quotas", &quota).await {
        waits(&error);
        tokio::time::sleep(TICK).await;
    }
    loop {
        let now = clock::now();
        match meterd.send(due(sent_to, now)).await {
            Ok(()) => sent_to = now,
            Err(error) => waits(&error),
        }
        tokio::time::sleep(TICK).await;
    }
}

fn waits(error: &anyhow::Error) {
    tracing::warn!("the demo's traffic waits: {error:#}");
}

struct Meterd {
    http: reqwest::Client,
    url: String,
    admin_key: String,
    publisher: Publisher,
    started: DateTime<Utc>,
}

impl Meterd {
    /// Sends all, or fails; then all can be sent again.
    async fn send(&self, happened: Vec<Happening>) -> Result<()> {
        let mut events = Vec::with_capacity(happened.len());
        for happening in happened {
            let asks = happening.sent_at > self.started && happening.event.is_limited();
            if happening.unchecked {
                self.slip_in(&happening).await?;
            } else if !asks || self.may_use(&happening.event).await? {
                events.push(happening.event);
            }
        }
        for batch in events.chunks(BATCH) {
            self.call(Method::POST, "events", &batch).await?;
        }
        Ok(())
    }

    /// Takes the units that the event will report.
    async fn may_use(&self, event: &Event) -> Result<bool> {
        let take = json!({
            "id": event.id,
            "tenant_id": event.tenant_id,
            "feature": event.feature,
            "quantity": event.quantity,
            "mode": "consume",
        });
        let answer = self.call(Method::POST, "validate", &take).await?;
        let answer: Value = answer.json().await?;
        answer["allowed"].as_bool().context("no decision")
    }

    /// Puts an event into the log that no gateway lets through.
    async fn slip_in(&self, Happening { sent_at, event, .. }: &Happening) -> Result<()> {
        let record = Record::Report(Report {
            id: event.id,
            tenant_id: event.tenant_id,
            resource: event.resource,
            feature: event.feature,
            quantity: event.quantity,
            timestamp_us: event.timestamp.timestamp_micros(),
            metadata: &event.metadata.to_string(),
            received_us: sent_at.timestamp_micros(),
            // Always the same, so that sent again it is a duplicate.
            payload_hash: 0,
            request_id: event.id,
        });
        let partition = partition_of(event.tenant_id, self.publisher.partitions());
        let records = vec![EncodedRecord::new(&record)];
        self.publisher
            .append(partition, records, Priority::Report)
            .await?;
        Ok(())
    }

    async fn call(&self, method: Method, what: &str, body: &impl Serialize) -> Result<Response> {
        let url = format!("{}/v1/meter/{what}", self.url);
        let request = self.http.request(method, url).bearer_auth(&self.admin_key);
        let answer = request.json(body).send().await?;
        // 422: all events of the batch were bad ones.
        ensure!(
            answer.status().is_success() || answer.status() == StatusCode::UNPROCESSABLE_ENTITY,
            "{what}: the answer is {}",
            answer.status()
        );
        Ok(answer)
    }
}

/// A quota that is about to be hit at `to`, by what is used of it after `from`. Its months begin with
/// the past, so that this is so on every day of the calendar's.
fn quota(from: DateTime<Utc>, to: DateTime<Utc>) -> Value {
    let events = due(from, to).into_iter().map(|happening| happening.event);
    let used: i64 = events.filter(Event::is_limited).map(|e| e.quantity).sum();
    let (tenant_id, feature) = LIMITED;
    json!({
        "tenant_id": tenant_id,
        "feature": feature,
        "limit": used * 100 / USED_PERCENT,
        "period": "monthly",
        "anchor": from.date_naive(),
        "alert_threshold": ALERT_PERCENT,
    })
}

/// What is sent after `from` and until `to`.
fn due(from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Happening> {
    let hour = TimeDelta::hours(1);
    let earliest = from - TimeDelta::minutes(LATEST_MINUTES);
    let Ok(first) = earliest.duration_trunc(hour) else {
        return Vec::new();
    };
    std::iter::successors(Some(first), |start| Some(*start + hour))
        .take_while(|start| *start <= to)
        .flat_map(happening)
        .filter(|happening| from < happening.sent_at && happening.sent_at <= to)
        .collect()
}

struct Happening {
    sent_at: DateTime<Utc>,
    event: Event,
    /// Whether it reaches the log although no meter accepts it.
    unchecked: bool,
}

/// As it is sent.
#[derive(Serialize)]
struct Event {
    id: Uuid,
    tenant_id: &'static str,
    resource: &'static str,
    feature: &'static str,
    quantity: i64,
    timestamp: DateTime<Utc>,
    metadata: Value,
}

impl Event {
    fn is_bad(&self) -> bool {
        self.quantity < 0
    }

    fn is_limited(&self) -> bool {
        (self.tenant_id, self.feature) == LIMITED && !self.is_bad()
    }
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
    let unchecked = bad && random.random_ratio(1, UNCHECKED_ONE_IN);
    let name = format!("demo/{}/{index}", start.timestamp());
    let event = Event {
        id: Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()),
        tenant_id,
        resource,
        feature,
        quantity: if bad { -quantity } else { quantity },
        timestamp: at,
        metadata: json!({
            "user": format!("u_{:03}", random.next_u32() % 400),
            "region": REGIONS[random.random_range(0..REGIONS.len())],
            "duration_ms": random.random_range(3..900),
            "late": late,
        }),
    };
    Happening {
        sent_at: at + TimeDelta::minutes(delay),
        event,
        unchecked,
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
        let ids = |happened: &[Happening]| {
            let mut ids: Vec<Uuid> = happened.iter().map(|h| h.event.id).collect();
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
        let bad = all().filter(|h| h.event.is_bad()).count();
        let late = all().filter(|h| h.event.metadata["late"] == true).count();
        assert!(bad > 10 && late > 50, "{bad} bad, {late} late");
    }

    #[test]
    fn the_quota_is_about_to_be_hit_whatever_the_day_of_the_month() {
        for day in (0..=30).step_by(6) {
            let to = at("2026-12-01T22:30:00Z") + TimeDelta::days(day);
            let from = to - PAST;
            let limit = quota(from, to)["limit"].as_i64().unwrap();
            let used: i64 = due(from, to)
                .iter()
                .filter(|h| h.event.is_limited())
                .map(|h| h.event.quantity)
                .sum();
            let percent = used * 100 / limit;
            assert!((USED_PERCENT..USED_PERCENT + 2).contains(&percent), "{to}");
            let window = TimeDelta::days(28);
            let projected = used * window.num_minutes() / PAST.num_minutes();
            assert!(projected > limit, "{to}");
        }
    }

    #[test]
    fn some_bad_events_get_past_the_gateway() {
        let to = at("2026-11-24T12:00:00Z");
        let past = due(to - PAST, to);
        let unchecked = past.iter().filter(|h| h.unchecked).count();
        assert!((3..30).contains(&unchecked), "{unchecked}");
        assert!(past.iter().all(|h| !h.unchecked || h.event.is_bad()));
    }
}
