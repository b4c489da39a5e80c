//! What a batch leaves in the log file: with the trace ids of the requests, so that whoever sent an event
//! can be told what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use service_kit::spans::{KeyValue, Place, Span, SpanKind, Spans};
use uuid::Uuid;

use crate::decode::Decoded;
use crate::persist::{CONFLICT, Remark, Step};

/// Lines a batch may write: a client that repeats a mistake must not fill the disk.
const MAX_LINES: usize = 20;
/// A transaction that takes longer is worth a line.
const SLOW: Duration = Duration::from_secs(1);
/// Requests that such a line names.
const MAX_REQUESTS: usize = 5;

/// Spans that a batch may make: those of more requests tell nobody more.
const MAX_SPANS: usize = 100;

/// The transaction as a span of each request whose events it made visible.
pub(crate) fn trace(
    spans: &Spans,
    step: Step,
    batch: &Decoded<'_>,
    (ended, took): (DateTime<Utc>, Duration),
) {
    if !spans.are_collected() {
        return;
    }
    for (trace_id, records) in requests(batch).into_iter().take(MAX_SPANS) {
        spans.add(Span {
            name: "persist".into(),
            kind: SpanKind::Consumer,
            at: Place::within(trace_id),
            parent: None,
            ended,
            took,
            failed: false,
            attributes: vec![
                KeyValue::new("meterd.partition", i64::from(step.partition)),
                KeyValue::new("meterd.records", records),
            ],
        });
    }
}

/// The requests of a batch, and how many of its records each has.
fn requests(batch: &Decoded<'_>) -> BTreeMap<Uuid, i64> {
    let mut requests = BTreeMap::new();
    for logged in &batch.reports {
        *requests.entry(logged.report.request_id).or_default() += 1;
    }
    requests
}

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
        let requests = requests(batch);
        let some = requests.keys().take(MAX_REQUESTS);
        let some = some.map(|id| id.simple().to_string());
        let some = some.collect::<Vec<_>>().join(" ");
        let all = requests.len();
        tracing::warn!(
            { partition, seq, records, ?took, requests = all, trace.ids = some },
            "a batch was slow"
        );
    }
}
