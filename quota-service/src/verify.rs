//! Folds the log once more and compares with what was answered: from its beginning, or, where that
//! was trimmed away, from the snapshot on.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use metering_core::quota::{Horizon, Reply, State};
use metering_core::{Position, RecordPosition};
use metering_log::{BatchLimits, Delivery, Reader, SharedBackend};
use metering_store::progress::{self, QUOTA};
use metering_store::sqlx::PgConnection;
use metering_store::{Store, decision, quota_snapshot};
use tokio::time::{Instant, timeout_at};

use crate::books;
use crate::fold;

const LIMITS: BatchLimits = BatchLimits {
    max_records: 20_000,
    max_bytes: 16 * 1024 * 1024,
    max_wait: Duration::from_millis(20),
};
/// Decisions read at once.
const PAGE: i64 = 10_000;

/// What a comparison found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Decisions in the books that the log was folded up to.
    pub compared: u64,
    /// Those that the log answers in another way, or does not have.
    pub mismatched: u64,
    /// Takes of the log that are not in the books.
    pub missing: u64,
    /// Snapshots that differ from the state of the log at their position.
    pub snapshots_mismatched: u64,
}

/// Compares one partition, up to where its books are written.
///
/// Where the beginning of the log was trimmed away, the snapshot is where it begins, and what is
/// compared is what is decided within `patience` from now on.
///
/// Errors: a broker or database that is away.
pub async fn verify(
    log: SharedBackend,
    store: &Store,
    partition: u16,
    patience: Duration,
) -> anyhow::Result<Verified> {
    let mut conn = store.pool().acquire().await?;
    let Some(written) = progress::find(&mut conn, QUOTA, partition).await? else {
        return Ok(Verified::default());
    };
    let mut goal = written.position;
    let mut start = Position::start(goal.incarnation);
    let mut state = State::new(Horizon::default());
    let is_trimmed = log.info(partition).await?.first_seq > 1;
    if is_trimmed {
        let snapshot = quota_snapshot::find(&mut conn, partition).await?;
        let snapshot = snapshot.context("there are books and no snapshot")?;
        start = snapshot.position;
        state = State::decode(&snapshot.state)?;
        tracing::warn!(
            partition,
            snapshot = start.seq,
            seconds = patience.as_secs(),
            "the log's beginning was trimmed away (METERD_WORKER_TRIM_MARGIN): what is decided from \
             the snapshot on is compared"
        );
    }
    let mut reader = Reader::open(log, partition, start).await?;
    let mut refold = Refold {
        partition,
        state,
        at: start.seq,
        answers: BTreeMap::new(),
    };
    if is_trimmed {
        // It is read as it comes: what the books have may be trimmed away at any moment.
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Ok(batch) = timeout_at(deadline, reader.next_batch(LIMITS)).await {
                refold.apply(batch?, u64::MAX)?;
            }
        }
        let written = progress::find(&mut conn, QUOTA, partition).await?;
        goal = written.map_or(goal, |written| written.position);
    }
    while refold.at < goal.seq {
        refold.apply(reader.next_batch(LIMITS).await?, goal.seq)?;
    }
    let Refold { state, at, .. } = refold;
    let mut answers = refold.answers;
    answers.retain(|position, _| position.seq <= goal.seq);
    // Older ones were deleted (METERD_QUOTA_KEEP_DAYS).
    if let Some(kept) = decision::find_first(&mut conn, partition).await? {
        answers = answers.split_off(&kept);
    }
    let mut verified = compare(&mut conn, (start, goal), partition, answers).await?;
    // It may have been replaced since; then there is nothing to compare it with.
    let snapshot = quota_snapshot::find(&mut conn, partition).await?;
    let snapshot = snapshot.filter(|snapshot| snapshot.position == goal && at == goal.seq);
    let differs = snapshot.is_some_and(|snapshot| snapshot.state != state.encode());
    verified.snapshots_mismatched = u64::from(differs);
    Ok(verified)
}

/// A fold of the log, and what it answers.
struct Refold {
    partition: u16,
    state: State,
    /// The last message that is folded.
    at: u64,
    answers: BTreeMap<RecordPosition, &'static str>,
}

impl Refold {
    /// Folds messages up to `last`.
    fn apply(&mut self, batch: Vec<Delivery>, last: u64) -> anyhow::Result<()> {
        for message in batch.into_iter().take_while(|message| message.seq <= last) {
            self.at = message.seq;
            fold::apply(
                &mut self.state,
                self.partition,
                &message,
                |_, position, _, outcome| {
                    if let Reply::Take(reply) = outcome.reply {
                        self.answers.insert(position, books::outcome(&reply));
                    }
                },
            )?;
        }
        Ok(())
    }
}

/// The decisions of the books behind `start` up to `goal`, against what the log answers.
async fn compare(
    conn: &mut PgConnection,
    (start, goal): (Position, Position),
    partition: u16,
    mut answers: BTreeMap<RecordPosition, &'static str>,
) -> anyhow::Result<Verified> {
    let mut verified = Verified::default();
    let mut after = (start.seq, u32::MAX >> 1);
    loop {
        let page = decision::list_after(conn, partition, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = (last.seq, last.index);
        for (position, outcome) in page.into_iter().filter(|(p, _)| p.seq <= goal.seq) {
            verified.compared += 1;
            let same = answers.remove(&position) == Some(outcome.as_str());
            verified.mismatched += u64::from(!same);
        }
    }
    verified.missing = u64::try_from(answers.len())?;
    Ok(verified)
}
