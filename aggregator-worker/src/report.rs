//! What a batch leaves in the log file: with the trace ids of the requests, so that whoever sent an event
//! can be told what became of it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::decode::Decoded;
use crate::persist::{CONFLICT, Remark, Step};

/// Lines a batch may write: a client that repeats a mistake must not fill the disk.
const MAX_LINES: usize = 20;
/// A transaction that takes longer is worth a line.
const SLOW: Duration = Duration::from_secs(1);
/// Requests that such a line names.
const MAX_REQUESTS: usize = 5;

pub(crate) fn log(step: Step, batch: &Decoded<'_>, remarks: &[Remark], took: Duration) {
    let (partition, seq, records) = (step.partition, step.to.seq, batch.reports.len());
    tracing::debug!(partition, seq, records, ?took, "persisted a batch");
    for letter in batch.letters.iter().take(MAX_LINES) {
        let (seq, index, code) = (letter.seq, letter.index, letter.code);
        tracing::warn!(
            partition,
            seq,
            index,
            code,
            "a damaged record is a dead letter"
        );
    }
    for remark in remarks.iter().take(MAX_LINES) {
        let (seq, index) = (remark.position.seq, remark.position.index);
        let (code, id) = (remark.code, remark.request_id);
        if code == CONFLICT {
            tracing::warn!(
                { partition, seq, index, trace.id = %id.simple() },
                "an event has the id of an earlier one and another payload; it does not count"
            );
        } else {
            tracing::warn!(
                { partition, seq, index, code, trace.id = %id.simple() },
                "an event cannot count and is a dead letter"
            );
        }
    }
    let more =
        remarks.len().saturating_sub(MAX_LINES) + batch.letters.len().saturating_sub(MAX_LINES);
    if more > 0 {
        tracing::warn!(
            partition,
            seq,
            more,
            "more conflicts and dead letters in this batch"
        );
    }
    if took >= SLOW {
        let requests: BTreeSet<_> = batch.reports.iter().map(|l| l.report.request_id).collect();
        let some = requests
            .iter()
            .take(MAX_REQUESTS)
            .map(|id| id.simple().to_string());
        let some = some.collect::<Vec<_>>().join(" ");
        let all = requests.len();
        tracing::warn!(
            { partition, seq, records, ?took, requests = all, trace.ids = some },
            "a batch was slow"
        );
    }
}
