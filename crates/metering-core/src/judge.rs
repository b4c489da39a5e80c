//! The one decision whether a reported event counts.

use crate::event::is_identifier;
use crate::limits::MAX_QUANTITY;
use crate::position::RecordPosition;
use crate::record::Report;

/// What is remembered of the first record with a given (tenant, id).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstSeen {
    pub position: RecordPosition,
    pub payload_hash: i64,
}

/// What becomes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The first of its (tenant, id): it counts.
    Counted,
    /// Sent before with the same payload: it changes nothing.
    Duplicate,
    /// Sent before with another payload: the first one counts, this one is reported.
    Conflict,
    /// It reached the log but can never count; the text is the reason for people.
    Dead(&'static str),
}

/// Decides for the worker and for the quota fold alike, so that they cannot disagree.
///
/// `first_seen` is the earlier record of the same (tenant, id) if there is one: first write wins,
/// whatever that first record's verdict was.
pub fn judge(report: &Report<'_>, first_seen: Option<&FirstSeen>) -> Verdict {
    match first_seen {
        Some(first) if first.payload_hash == report.payload_hash => Verdict::Duplicate,
        Some(_) => Verdict::Conflict,
        None if !(0..=MAX_QUANTITY).contains(&report.quantity) => {
            Verdict::Dead("quantity out of range")
        }
        None if ![report.tenant_id, report.resource, report.feature]
            .into_iter()
            .all(is_identifier) =>
        {
            Verdict::Dead("malformed identifier")
        }
        None if report.timestamp().is_none() => Verdict::Dead("timestamp out of range"),
        None => Verdict::Counted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::report;

    #[test]
    fn first_write_wins() {
        let first = FirstSeen {
            position: RecordPosition {
                partition: 0,
                seq: 1,
                index: 0,
            },
            payload_hash: 7,
        };
        let mut r = report();
        r.payload_hash = 7;
        assert_eq!(judge(&r, None), Verdict::Counted);
        assert_eq!(judge(&r, Some(&first)), Verdict::Duplicate);
        r.payload_hash = 8;
        assert_eq!(judge(&r, Some(&first)), Verdict::Conflict);
        r.quantity = -1;
        assert!(matches!(judge(&r, None), Verdict::Dead(_)));
        // A dead id stays taken: the same id again is no second death.
        assert_eq!(judge(&r, Some(&first)), Verdict::Conflict);
    }
}
