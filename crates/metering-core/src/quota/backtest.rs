//! What quotas would have answered, had they been there: use that has happened is asked for, at the
//! time when it happened, by the fold that decides.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::answer::Answer;
use super::outcome::{Reply, TakeReply};
use super::spec::Quota;
use super::state::{Horizon, Stamp, State};
use super::warming::Seed;
use crate::position::RecordPosition;
use crate::record::{Document, Record, Take};

/// Use that has happened.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    pub id: Uuid,
    pub tenant_id: &'a str,
    pub resource: &'a str,
    pub feature: &'a str,
    pub quantity: i64,
    /// µs since the epoch, not before that of the one asked for before.
    pub timestamp_us: i64,
}

/// A log that has quotas of which nothing is used, and then nothing but consumes.
pub struct Backtest {
    state: State,
    seq: u64,
}

impl Backtest {
    /// Begins at `start`. To be told of windows that are whole, begin with them.
    pub fn new(quotas: &[Quota], start: DateTime<Utc>) -> Self {
        let mut backtest = Self {
            state: State::new(Horizon::default()),
            seq: 0,
        };
        let start_us = start.timestamp_micros();
        for quota in quotas {
            let json = quota.to_record();
            let document = |json| Document {
                id: quota.id(),
                version: 1,
                json,
            };
            backtest.apply(start_us, &Record::Quota(document(&json)));
            let seed = Seed {
                seed: quota.id(),
                part: 0,
                last: true,
                seq: backtest.seq,
                from_us: i64::MIN,
                until_us: i64::MAX,
                totals: Vec::new(),
            };
            let json = serde_json::to_string(&seed).expect("plain data always serialises");
            backtest.apply(start_us, &Record::QuotaSeed(document(&json)));
        }
        backtest
    }

    /// What a consume would have been answered; `None` for use of nothing, which nobody asks for.
    pub fn ask(&mut self, past: Past<'_>) -> Option<Answer> {
        let take = Take {
            id: past.id,
            attempt: past.id,
            tenant_id: past.tenant_id,
            feature: past.feature,
            resource: Some(past.resource),
            quantity: past.quantity,
            ttl_seconds: None,
            not_after_us: self.state.clock_us().max(past.timestamp_us),
        };
        match self.apply(past.timestamp_us, &Record::Consume(take)) {
            Reply::Take(TakeReply::Answered { answer, .. }) => Some(*answer),
            _ => None,
        }
    }

    fn apply(&mut self, at_us: i64, record: &Record<'_>) -> Reply {
        self.seq += 1;
        let stamp = Stamp {
            position: RecordPosition {
                partition: 0,
                seq: self.seq,
                index: 0,
            },
            stream_time_us: at_us,
            sent_at_us: at_us,
        };
        self.state.apply(stamp, record).reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_denied_until_its_window_ends() {
        let quota = br#"{"tenant_id": "*", "feature": "f", "limit": 10, "period": "daily"}"#;
        let quota = Quota::parse(quota).unwrap();
        let midnight = "2025-11-20T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let mut backtest = Backtest::new(&[quota], midnight);
        let mut ask = |id: u128, tenant_id, hour: i64, quantity| {
            let past = Past {
                id: Uuid::from_u128(id),
                tenant_id,
                resource: "r",
                feature: "f",
                quantity,
                timestamp_us: midnight.timestamp_micros() + hour * 3_600_000_000,
            };
            backtest.ask(past).map(|answer| answer.allowed)
        };
        assert_eq!(ask(1, "a", 0, 6), Some(true));
        assert_eq!(ask(2, "a", 1, 5), Some(false));
        assert_eq!(ask(3, "b", 1, 10), Some(true));
        assert_eq!(ask(4, "a", 2, 0), None);
        assert_eq!(ask(5, "a", 23, 4), Some(true));
        assert_eq!(ask(6, "a", 23, 1), Some(false));
        assert_eq!(ask(7, "a", 24, 10), Some(true));
    }
}
