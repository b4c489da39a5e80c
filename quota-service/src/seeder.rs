//! Counts the past of new quotas and tells the log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use metering_core::Record;
use metering_core::envelope::EncodedRecord;
use metering_core::partition::partition_of;
use metering_core::quota::{ANY, Calendar, MAX_AHEAD_US, Period, Quota, Seed, Total};
use metering_core::record::Document;
use metering_core::window::Source;
use metering_log::{AppendError, BackendError, Priority};
use metering_store::aggregates::{self, Dimension, Names, Question};
use metering_store::progress::{self, USAGE};
use metering_store::sqlx::{self, Connection as _};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::partition::Partition;
use crate::state::QuotaState;

/// How soon a new quota is noticed, and how often the worker's position is looked at.
const TICK: Duration = Duration::from_millis(50);
/// A seed that was appended and has not been folded by now is appended again.
const AGAIN: Duration = Duration::from_secs(3);
/// Totals in one record, some 200 bytes each.
const PART: usize = 1_000;
/// Tenants and features that a quota may begin with in one partition.
const MAX_TOTALS: u32 = 1_000_000;
/// Windows are counted so far ahead, for the clock may move on before the seed is folded.
const AHEAD_US: i64 = 2 * MAX_AHEAD_US;

#[derive(Debug, thiserror::Error)]
enum SeedError {
    #[error("Postgres failed")]
    Database(#[from] sqlx::Error),
    #[error("the broker failed")]
    Log(#[from] BackendError),
    #[error("the log does not take it")]
    Append(#[from] AppendError),
    #[error("more than {MAX_TOTALS} tenants and features")]
    TooMany,
}

/// Seeds for ever. Several processes may: the first seed counts.
pub(crate) async fn run(state: QuotaState, partition: Arc<Partition>) {
    let seeder = Seeder { state, partition };
    let mut appended = HashMap::<(Uuid, u64), Instant>::new();
    loop {
        appended.retain(|_, at| at.elapsed() < AGAIN);
        for new in seeder.warming() {
            let key = (new.quota.id(), new.version);
            if appended.contains_key(&key) {
                continue;
            }
            match Box::pin(seeder.seed(&new)).await {
                Ok(true) => {
                    appended.insert(key, Instant::now());
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(
                        quota.id = %key.0,
                        error = &error as &dyn std::error::Error,
                        "cannot count a quota's past yet"
                    );
                    sleep(AGAIN).await;
                }
            }
        }
        sleep(TICK).await;
    }
}

struct Seeder {
    state: QuotaState,
    partition: Arc<Partition>,
}

/// A quota whose past is wanted.
struct New {
    quota: Quota,
    version: u64,
    since_seq: u64,
    clock_us: i64,
}

impl Seeder {
    fn warming(&self) -> Vec<New> {
        if *self.partition.folded().borrow() == 0 {
            return Vec::new();
        }
        let state = self.partition.state();
        let warming = state.quotas().filter(|status| status.warming);
        let new = warming.filter_map(|status| {
            Some(New {
                quota: status.quota.clone(),
                version: status.version,
                since_seq: state.warms_since(status.id, status.version)?,
                clock_us: state.clock_us(),
            })
        });
        new.collect()
    }

    /// Appends the seed; `false` while the worker is not there yet.
    async fn seed(&self, new: &New) -> Result<bool, SeedError> {
        let bounds = bounds(&new.quota, new.clock_us);
        let Some((seq, totals)) = self.totals(new, &bounds).await? else {
            return Ok(false);
        };
        let until_us = bounds.last().map_or(i64::MIN, DateTime::timestamp_micros);
        let from_us = bounds.first().map_or(i64::MAX, DateTime::timestamp_micros);
        let seed = Uuid::new_v4();
        let mut chunks: Vec<Vec<Total>> = totals.chunks(PART).map(<[Total]>::to_vec).collect();
        if chunks.is_empty() {
            chunks.push(Vec::new());
        }
        let last = chunks.len() - 1;
        for (part, totals) in chunks.into_iter().enumerate() {
            let seed = Seed {
                seed,
                part: u32::try_from(part).unwrap_or(u32::MAX),
                last: part == last,
                seq,
                from_us,
                until_us,
                totals,
            };
            self.append(new, &seed).await?;
        }
        Ok(true)
    }

    async fn append(&self, new: &New, seed: &Seed) -> Result<(), SeedError> {
        let json = serde_json::to_string(seed).expect("plain data always serialises");
        let record = EncodedRecord::new(&Record::QuotaSeed(Document {
            id: new.quota.id(),
            version: new.version,
            json: &json,
        }));
        let publisher = &self.state.publisher;
        publisher
            .append(self.partition.number, vec![record], Priority::Control)
            .await?;
        Ok(())
    }

    /// Totals of the worker's tables, and the position they are of.
    async fn totals(
        &self,
        new: &New,
        bounds: &[DateTime<Utc>],
    ) -> Result<Option<(u64, Vec<Total>)>, SeedError> {
        let number = self.partition.number;
        let incarnation = self.state.log.info(number).await?.incarnation;
        let mut conn = self.state.store.pool().acquire().await?;
        // One snapshot for both: the totals are those of this position.
        let mut tx = conn
            .begin_with("begin isolation level repeatable read read only")
            .await?;
        let found = progress::find(&mut tx, USAGE, number).await?;
        let found = found.filter(|found| {
            let position = found.position;
            position.incarnation == incarnation && position.seq >= new.since_seq
        });
        let Some(found) = found else {
            return Ok(None);
        };
        let name = |text: &str| (text != ANY).then(|| text.to_owned());
        let names = Names {
            tenant: name(&new.quota.tenant_id),
            resource: new.quota.resource.clone(),
            feature: name(&new.quota.feature),
        };
        let question = Question {
            bounds,
            source: &Source::pick(bounds),
            by_window: true,
            group_by: &[Dimension::Tenant, Dimension::Feature],
            names: &names,
            top: None,
            rest: false,
            member: None,
            after: None,
            max_rows: MAX_TOTALS,
        };
        let answer = aggregates::list(&mut tx, &question).await?;
        tx.rollback().await?;
        if answer.truncated {
            return Err(SeedError::TooMany);
        }
        let partitions = self.state.publisher.partitions();
        let totals = answer.rows.into_iter().filter_map(|usage| {
            let (tenant, feature) = (usage.tenant_id?, usage.feature?);
            let is_ours = partition_of(&tenant, partitions) == number;
            let window = bounds.get(usage.window?)?;
            is_ours.then(|| Total {
                tenant: tenant.into(),
                feature: feature.into(),
                window_us: window.timestamp_micros(),
                quantity: i64::try_from(usage.sum.total_quantity).unwrap_or(i64::MAX),
            })
        });
        Ok(Some((found.position.seq, totals.collect())))
    }
}

/// The windows from the clock's on, so far ahead as they are kept.
fn bounds(quota: &Quota, clock_us: i64) -> Vec<DateTime<Utc>> {
    let instant = |us: i64| DateTime::from_timestamp_micros(us).unwrap_or_default();
    let until = clock_us.saturating_add(AHEAD_US);
    let first = quota.calendar.window(instant(clock_us));
    let mut bounds = vec![instant(first.start_us)];
    let mut end = first.end_us;
    while let Some(next) = end {
        bounds.push(instant(next));
        if next >= until {
            return bounds;
        }
        end = quota.calendar.window(instant(next)).end_us;
    }
    // A lifetime.
    bounds.push(far(instant(clock_us)));
    bounds
}

/// Further than any event, and a whole day, which is what aggregates add up to.
pub(crate) fn far(now: DateTime<Utc>) -> DateTime<Utc> {
    let day = Calendar {
        period: Period::Daily,
        zone: chrono_tz::Tz::UTC,
        anchor: None,
    };
    let start_us = day.window(now + TimeDelta::days(366)).start_us;
    DateTime::from_timestamp_micros(start_us).unwrap_or_default()
}
