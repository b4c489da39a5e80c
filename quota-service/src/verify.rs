//! Folds the log once more, from its beginning, and compares with what was answered.

use std::collections::BTreeMap;
use std::time::Duration;

use metering_core::quota::{Horizon, Reply, State};
use metering_core::{Position, RecordPosition};
use metering_log::{BatchLimits, Reader, SharedBackend};
use metering_store::progress::{self, QUOTA};
use metering_store::{Store, decision, quota_snapshot};

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
/// Errors: a log whose beginning was trimmed away, a broker or database that is away.
pub async fn verify(log: SharedBackend, store: &Store, partition: u16) -> anyhow::Result<Verified> {
    let mut conn = store.pool().acquire().await?;
    let Some(written) = progress::find(&mut conn, QUOTA, partition).await? else {
        return Ok(Verified::default());
    };
    let goal = written.position;
    let first = log.info(partition).await?.first_seq;
    anyhow::ensure!(
        first <= 1,
        "the log of partition {partition} begins at {first}; what came before was trimmed away. \
         Give the worker a larger METERD_WORKER_TRIM_MARGIN to be able to verify"
    );
    let start = Position::start(goal.incarnation);
    let mut reader = Reader::open(log, partition, start).await?;
    let mut state = State::new(Horizon::default());
    let mut answers = BTreeMap::<RecordPosition, &'static str>::new();
    let mut at = 0;
    while at < goal.seq {
        for message in reader.next_batch(LIMITS).await? {
            if message.seq > goal.seq {
                break;
            }
            at = message.seq;
            fold::apply(
                &mut state,
                partition,
                &message,
                |_, position, _, outcome| {
                    if let Reply::Take(reply) = outcome.reply {
                        answers.insert(position, books::outcome(&reply));
                    }
                },
            )?;
        }
    }
    let mut verified = Verified::default();
    let mut after = (0, 0);
    loop {
        let page = decision::list_after(&mut conn, partition, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = (last.seq, last.index);
        for (position, outcome) in page.into_iter().filter(|(p, _)| p.seq <= goal.seq) {
            verified.compared += 1;
            let same = answers.remove(&position) == Some(outcome.as_str());
            verified.mismatched += u64::from(!same);
        }
    }
    verified.missing = u64::try_from(answers.len())?;
    // It may have been replaced since; then there is nothing to compare it with.
    let snapshot = quota_snapshot::find(&mut conn, partition).await?;
    let snapshot = snapshot.filter(|snapshot| snapshot.position == goal);
    let differs = snapshot.is_some_and(|snapshot| snapshot.state != state.encode());
    verified.snapshots_mismatched = u64::from(differs);
    Ok(verified)
}
