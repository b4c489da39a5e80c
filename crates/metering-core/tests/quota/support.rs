//! Records in a few strokes.

use metering_core::RecordPosition;
use metering_core::quota::{
    Answer, DELETED, FOLD_VERSION, Horizon, Outcome, Quota, Reply, Rules, Seed, Stamp, State,
    TakeReply, Total,
};
use metering_core::record::{Amend, Document, Record, Report, Resolve, Take};
use uuid::Uuid;

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// 2025-11-20T10:31:00Z.
pub(crate) const START: i64 = 1_763_634_660 * SECOND;

pub(crate) fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub(crate) fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

pub(crate) fn quota(json: &str) -> Quota {
    Quota::parse(json.as_bytes()).unwrap()
}

/// `{tenant_id, feature, limit, period}` and more members.
pub(crate) fn limit(tenant: &str, feature: &str, limit: i64, more: &str) -> Quota {
    quota(&format!(
        r#"{{"tenant_id":"{tenant}","feature":"{feature}","limit":{limit}{more}}}"#
    ))
}

pub(crate) fn monthly(units: i64) -> Quota {
    limit("t", "f", units, r#","period":"monthly""#)
}

pub(crate) fn set(quota: &Quota, version: u64) -> Record<'static> {
    Record::Quota(Document {
        id: quota.id(),
        version,
        json: leak(quota.to_record()),
    })
}

pub(crate) fn delete(quota: &Quota) -> Record<'static> {
    Record::Quota(Document {
        id: quota.id(),
        version: 0,
        json: DELETED,
    })
}

pub(crate) fn rules(default_deny: bool) -> Record<'static> {
    Record::Rules(Document {
        id: Uuid::nil(),
        version: FOLD_VERSION,
        json: leak(Rules::built_in(default_deny).to_record()),
    })
}

pub(crate) fn seed(quota: &Quota, version: u64, seq: u64, totals: Vec<Total>) -> Record<'static> {
    let seed = Seed {
        seed: id(7),
        part: 0,
        last: true,
        seq,
        from_us: i64::MIN,
        until_us: i64::MAX,
        totals,
    };
    Record::QuotaSeed(Document {
        id: quota.id(),
        version,
        json: leak(serde_json::to_string(&seed).unwrap()),
    })
}

pub(crate) fn report(n: u128, quantity: i64, timestamp_us: i64) -> Report<'static> {
    Report {
        id: id(n),
        tenant_id: "t",
        resource: "r",
        feature: "f",
        quantity,
        timestamp_us,
        metadata: "{}",
        received_us: timestamp_us,
        payload_hash: quantity,
        request_id: id(0),
    }
}

pub(crate) fn take(n: u128, attempt: u128, quantity: i64) -> Take<'static> {
    Take {
        id: id(n),
        attempt: id(attempt),
        tenant_id: "t",
        feature: "f",
        resource: None,
        quantity,
        ttl_seconds: None,
        not_after_us: START + MINUTE,
    }
}

pub(crate) fn reserve(n: u128, attempt: u128, quantity: i64, ttl_seconds: u32) -> Take<'static> {
    Take {
        ttl_seconds: Some(ttl_seconds),
        ..take(n, attempt, quantity)
    }
}

pub(crate) fn resolve(n: u128, attempt: u128, quantity: Option<i64>) -> Resolve<'static> {
    Resolve {
        id: id(n),
        attempt: id(attempt),
        tenant_id: "t",
        quantity,
        overshoot: false,
        not_after_us: START + MINUTE,
    }
}

/// A state and the log that made it.
pub(crate) struct Fold {
    pub(crate) state: State,
    pub(crate) log: Vec<(Stamp, Record<'static>)>,
    pub(crate) now_us: i64,
}

impl Fold {
    pub(crate) fn new(horizon: Horizon) -> Self {
        Self {
            state: State::new(horizon),
            log: Vec::new(),
            now_us: START,
        }
    }

    /// A quota of the tenant `t` and the feature `f` in force, nothing used.
    pub(crate) fn with(quotas: &[&Quota]) -> Self {
        let mut fold = Self::new(Horizon::default());
        for quota in quotas {
            fold.apply(set(quota, 1));
            let seq = fold.seq();
            fold.apply(seed(quota, 1, seq, Vec::new()));
        }
        fold
    }

    pub(crate) fn seq(&self) -> u64 {
        u64::try_from(self.log.len()).unwrap()
    }

    pub(crate) fn apply(&mut self, record: Record<'static>) -> Outcome {
        let stamp = Stamp {
            position: RecordPosition {
                partition: 0,
                seq: self.seq() + 1,
                index: 0,
            },
            stream_time_us: self.now_us,
            sent_at_us: self.now_us,
        };
        self.log.push((stamp, record));
        self.state.apply(stamp, &record)
    }

    pub(crate) fn reply(&mut self, record: Record<'static>) -> TakeReply {
        match self.apply(record).reply {
            Reply::Take(reply) => reply,
            other => panic!("not a take: {other:?}"),
        }
    }

    pub(crate) fn answer(&mut self, record: Record<'static>) -> Answer {
        match self.reply(record) {
            TakeReply::Answered { answer, .. } => *answer,
            other => panic!("no answer: {other:?}"),
        }
    }

    /// Used and reserved of the only limit of (`t`, `f`, `r`).
    pub(crate) fn used(&self) -> (i128, i128) {
        let limits = self.state.limits("t", "f", Some("r"));
        assert_eq!(limits.len(), 1);
        (limits[0].used, limits[0].reserved)
    }

    pub(crate) fn amend(seq: u64) -> Amend<'static> {
        Amend {
            position: RecordPosition {
                partition: 0,
                seq,
                index: 0,
            },
            reason: "test",
        }
    }
}
