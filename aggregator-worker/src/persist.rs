//! One batch, one transaction: position, keys, raw events, aggregates, dead letters, counters.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use metering_core::aggregate::{day_start, key_bucket};
use metering_core::{FirstSeen, Position, RecordPosition, Verdict, judge};
use metering_store::dead_letter::{self, DeadLetter};
use metering_store::event_key::{self, Claim};
use metering_store::progress::{self, Counters, USAGE};
use metering_store::usage_event::NewEvent;
use metering_store::{Store, sqlstate, sqlx};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::apply;
use crate::caches::{Names, Tables};
use crate::decode::{Decoded, Logged};
use crate::letters;

/// "No partition of the table takes this row": there is no other check on these tables.
pub(crate) const NO_TABLE: &str = "23514";

/// The step that a batch makes in its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub partition: u16,
    pub from: Position,
    pub to: Position,
    /// Log time of the message at `to`.
    pub stream_time: DateTime<Utc>,
}

/// A record that did not do what its sender meant, and whose it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remark {
    pub position: RecordPosition,
    /// Of its dead letter, or [`CONFLICT`].
    pub code: &'static str,
    pub request_id: Uuid,
}

/// A duplicate with another payload than the first.
pub const CONFLICT: &str = "conflict";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is in the database.
    Committed {
        counters: Counters,
        /// Records that are now owed to the log.
        owed: usize,
        /// In no particular order.
        remarks: Vec<Remark>,
    },
    /// The position is no longer `from`: another worker was faster, nothing was written.
    Overtaken,
}

/// Nothing was written, or it is unknown whether the commit came through: the position tells.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    #[error("Postgres failed")]
    Database(#[from] sqlx::Error),
    #[error("the database returned no id for a name it had just stored")]
    NameWithoutId,
    #[error("a taken key was not found again")]
    KeyWithoutRow,
}

/// Writes batches. Keeps the ids and tables it has seen.
#[derive(Debug)]
pub struct Persister {
    store: Store,
    names: Names,
    tables: Tables,
}

/// A report with what can be said of it before the database is asked.
struct Prepared<'b, 'a> {
    logged: &'b Logged<'a>,
    bucket: i16,
    tenant: i32,
    /// Ids of resource and feature, if it counts unless it was seen before.
    countable: Option<(i32, i32)>,
}

impl Persister {
    pub fn new(store: Store) -> Self {
        Self {
            store,
            names: Names::default(),
            tables: Tables::default(),
        }
    }

    /// Writes a batch and moves the position from `step.from` to `step.to`, both or neither.
    ///
    /// After an error the row in `progress` says whether the commit came through.
    pub async fn persist(
        &mut self,
        step: Step,
        batch: &Decoded<'_>,
        now: DateTime<Utc>,
    ) -> Result<Outcome, PersistError> {
        let prepared = self.prepare(batch).await?;
        let result = self.write(step, batch, &prepared, now).await;
        if let Err(PersistError::Database(error)) = &result
            && sqlstate(error).as_deref() == Some(NO_TABLE)
        {
            self.tables.forget();
        }
        result
    }

    /// Resolves names and makes tables, each in a short transaction of its own.
    async fn prepare<'b, 'a>(
        &mut self,
        batch: &'b Decoded<'a>,
    ) -> Result<Vec<Prepared<'b, 'a>>, PersistError> {
        let (mut days, mut buckets) = (BTreeSet::new(), BTreeSet::new());
        let mut tenants = HashMap::<&str, String>::new();
        let mut names = BTreeSet::new();
        for Logged { report, .. } in &batch.reports {
            tenants
                .entry(report.tenant_id)
                .or_insert_with(|| letters::key_name(report.tenant_id));
            buckets.insert(key_bucket(report.id));
            if judge(report, None) == Verdict::Counted {
                names.extend([report.resource, report.feature]);
                days.insert(day_start(report.timestamp_us));
            }
        }
        names.extend(tenants.values().map(String::as_str));
        self.names.learn(&self.store, &names).await?;
        self.tables.ensure(&self.store, &days, &buckets).await?;
        let id = |name: &str| self.names.id(name).ok_or(PersistError::NameWithoutId);
        let prepared = batch.reports.iter().map(|logged| {
            let report = &logged.report;
            let countable = match judge(report, None) {
                Verdict::Counted => Some((id(report.resource)?, id(report.feature)?)),
                Verdict::Duplicate | Verdict::Conflict | Verdict::Dead(_) => None,
            };
            Ok(Prepared {
                logged,
                bucket: key_bucket(report.id),
                tenant: id(&tenants[report.tenant_id])?,
                countable,
            })
        });
        prepared.collect()
    }

    async fn write(
        &self,
        step: Step,
        batch: &Decoded<'_>,
        prepared: &[Prepared<'_, '_>],
        now: DateTime<Utc>,
    ) -> Result<Outcome, PersistError> {
        let mut tx = self.store.pool().begin().await?;
        let positions = (step.from, step.to);
        let time = Some(step.stream_time);
        if !progress::compare_and_set(&mut tx, USAGE, step.partition, positions, time, now).await? {
            tx.rollback().await?;
            return Ok(Outcome::Overtaken);
        }
        let seen = first_seen(&mut tx, step, prepared).await?;
        let mut judged = judge_all(prepared, &seen, now);
        let refused = apply::apply(&mut tx, step.partition, &judged.counted).await?;
        judged.refuse(&refused, prepared);
        let all = batch.letters.iter().cloned().chain(judged.letters);
        let all: Vec<DeadLetter<'_>> = all.collect();
        dead_letter::insert(&mut tx, step.to.incarnation, step.partition, &all, now).await?;
        letters::owe_voids(&mut tx, step.partition, &judged.counted, &refused, now).await?;
        letters::owe_corrections(&mut tx, step.partition, &judged.late_repeats, now).await?;
        let damaged = i64::try_from(batch.letters.len()).unwrap_or(i64::MAX);
        judged.counters.dead += damaged;
        judged.counters.logged += damaged;
        progress::add(&mut tx, USAGE, step.partition, judged.counters).await?;
        tx.commit().await?;
        Ok(Outcome::Committed {
            counters: judged.counters,
            owed: refused.len() + judged.late_repeats.len(),
            remarks: judged.remarks,
        })
    }
}

/// For each report the record that was first with its (tenant, id), if that is not the report itself.
async fn first_seen(
    conn: &mut PgConnection,
    step: Step,
    prepared: &[Prepared<'_, '_>],
) -> Result<Vec<Option<FirstSeen>>, PersistError> {
    // Within the batch, the first one claims the key.
    let mut claimants = HashMap::<(Uuid, i32), usize>::with_capacity(prepared.len());
    let mut claims = Vec::with_capacity(prepared.len());
    for (number, record) in prepared.iter().enumerate() {
        let report = &record.logged.report;
        if let std::collections::hash_map::Entry::Vacant(free) =
            claimants.entry((report.id, record.tenant))
        {
            free.insert(number);
            claims.push(Claim {
                bucket: record.bucket,
                id: report.id,
                tenant: record.tenant,
                position: record.logged.position,
                payload_hash: report.payload_hash,
                timestamp: report.timestamp().unwrap_or(step.stream_time),
            });
        }
    }
    claims.sort_unstable_by_key(|c| (c.bucket, c.id, c.tenant));
    let entered = event_key::insert(conn, step.partition, &claims).await?;
    let mut earlier = HashMap::new();
    if entered.len() < claims.len() {
        let entered: HashSet<(u64, u32)> = entered.into_iter().collect();
        claims.retain(|c| !entered.contains(&(c.position.seq, c.position.index)));
        let taken: Vec<_> = claims.iter().map(|c| (c.bucket, c.id, c.tenant)).collect();
        earlier.extend(event_key::list_first_seen(conn, &taken).await?);
        if earlier.len() < taken.len() {
            return Err(PersistError::KeyWithoutRow);
        }
    }
    let seen = prepared.iter().enumerate().map(|(number, record)| {
        let key = (record.logged.report.id, record.tenant);
        let claimant = claimants[&key];
        let within_batch = (claimant != number).then(|| FirstSeen {
            position: prepared[claimant].logged.position,
            payload_hash: prepared[claimant].logged.report.payload_hash,
        });
        earlier.get(&key).copied().or(within_batch)
    });
    Ok(seen.collect())
}

struct Judged<'a> {
    counted: Vec<NewEvent<'a>>,
    /// Which report each of `counted` is.
    numbers: Vec<usize>,
    letters: Vec<DeadLetter<'a>>,
    /// Repeats from so far back that the quotas may have counted them.
    late_repeats: Vec<RecordPosition>,
    remarks: Vec<Remark>,
    counters: Counters,
}

/// Whoever folds the log for quotas knows the ids of its last 262,144 reports. So many messages hold
/// fewer: a report has at least 60 bytes and a message at most 512 KiB.
const NEAR_MESSAGES: u64 = 28;

fn is_late(repeat: RecordPosition, first: &FirstSeen) -> bool {
    repeat.seq.saturating_sub(first.position.seq) > NEAR_MESSAGES
}

fn judge_all<'a>(
    prepared: &[Prepared<'_, 'a>],
    seen: &[Option<FirstSeen>],
    now: DateTime<Utc>,
) -> Judged<'a> {
    let mut judged = Judged {
        counted: Vec::with_capacity(prepared.len()),
        numbers: Vec::with_capacity(prepared.len()),
        letters: Vec::new(),
        late_repeats: Vec::new(),
        remarks: Vec::new(),
        counters: Counters::default(),
    };
    for (number, (record, seen)) in prepared.iter().zip(seen).enumerate() {
        judged.counters.logged += 1;
        let position = record.logged.position;
        let is_late = seen.as_ref().is_some_and(|first| is_late(position, first));
        judged.late_repeats.extend(is_late.then_some(position));
        match (
            judge(&record.logged.report, seen.as_ref()),
            record.countable,
        ) {
            (Verdict::Counted, Some((resource, feature))) => {
                judged.counters.persisted += 1;
                judged.numbers.push(number);
                judged
                    .counted
                    .push(new_event(record, resource, feature, now));
            }
            (Verdict::Duplicate, _) => judged.counters.duplicate += 1,
            (Verdict::Conflict, _) => {
                judged.counters.duplicate += 1;
                judged.counters.conflict += 1;
                judged.remarks.push(remark(record.logged, CONFLICT));
            }
            (Verdict::Dead(reason), _) => {
                judged.counters.dead += 1;
                judged.bury(record.logged, "invalid_event", reason.to_owned());
            }
            (Verdict::Counted, None) => {
                unreachable!("a report that counts was countable before it was known to be new")
            }
        }
    }
    judged
}

impl<'a> Judged<'a> {
    fn bury(&mut self, logged: &Logged<'a>, code: &'static str, detail: String) {
        self.letters.push(letters::of_report(logged, code, detail));
        self.remarks.push(remark(logged, code));
    }

    /// Moves what Postgres refused from the counted to the dead.
    fn refuse(&mut self, refused: &[apply::Refused], prepared: &[Prepared<'_, 'a>]) {
        for refusal in refused {
            let logged = prepared[self.numbers[refusal.number]].logged;
            self.bury(logged, refusal.code, refusal.detail.clone());
            self.counters.persisted -= 1;
            self.counters.dead += 1;
        }
    }
}

fn remark(logged: &Logged<'_>, code: &'static str) -> Remark {
    Remark {
        position: logged.position,
        code,
        request_id: logged.report.request_id,
    }
}

fn new_event<'a>(
    record: &Prepared<'_, 'a>,
    resource: i32,
    feature: i32,
    now: DateTime<Utc>,
) -> NewEvent<'a> {
    let report = &record.logged.report;
    NewEvent {
        timestamp_us: report.timestamp_us,
        received_us: report.received_us,
        persisted_us: now.timestamp_micros(),
        id: report.id,
        position: record.logged.position,
        quantity: report.quantity,
        tenant: record.tenant,
        resource,
        feature,
        request_id: report.request_id,
        metadata: report.metadata,
    }
}
