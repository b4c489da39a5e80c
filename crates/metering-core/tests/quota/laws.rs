//! What holds for every sequence of records.

use std::collections::BTreeMap;

use metering_core::Record;
use metering_core::RecordPosition;
use metering_core::quota::{
    Enforcement, Horizon, LimitState, Quota, QuotaReply, Reply, ResolveReply, Stamp, State,
    TakeReply,
};
use metering_core::record::{Report, Resolve, Take};
use proptest::prelude::*;
use uuid::Uuid;

use crate::any::any_record;
use crate::oracle::{Oracle, Verdict, is_doomed};
use crate::support::{Fold, HOUR, MINUTE, SECOND, delete, id, limit, rules, seed, set};

const TENANTS: [&str; 2] = ["t", "u"];
const FEATURES: [&str; 2] = ["f", "g"];
const RESOURCES: [Option<&str>; 3] = [Some("r"), Some("s"), None];

#[derive(Debug, Clone)]
enum Step {
    Wait(i64),
    Report {
        who: u8,
        id: u128,
        quantity: i64,
        ago: i64,
    },
    Take {
        who: u8,
        id: u128,
        attempt: u128,
        quantity: i64,
        ttl: Option<u32>,
    },
    Commit {
        tenant: u8,
        id: u128,
        quantity: Option<i64>,
        overshoot: bool,
    },
    Release {
        tenant: u8,
        id: u128,
    },
    Cancel {
        tenant: u8,
        id: u128,
        attempt: u128,
    },
    Void {
        seq: u64,
    },
    Set {
        which: u8,
        limit: i64,
        zone: u8,
        enforcement: u8,
    },
    Delete {
        which: u8,
    },
    Seed {
        back: u64,
    },
    Rules {
        default_deny: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let small = 0..6_i64;
    let ids = 1..9_u128;
    let wait = prop_oneof![
        4 => 0..20 * SECOND,
        2 => 0..2 * HOUR,
        1 => 0..40 * 24 * HOUR,
    ];
    prop_oneof![
        2 => wait.prop_map(Step::Wait),
        6 => (any::<u8>(), ids.clone(), small.clone(), prop_oneof![
            4 => Just(0),
            1 => -5 * MINUTE..2 * HOUR,
            1 => 0..40 * 24 * HOUR,
        ]).prop_map(|(who, id, quantity, ago)| Step::Report { who, id, quantity, ago }),
        8 => (any::<u8>(), ids.clone(), 1..4_u128, 1..6_i64, proptest::option::of(1..120_u32))
            .prop_map(|(who, id, attempt, quantity, ttl)| Step::Take { who, id, attempt, quantity, ttl }),
        3 => (0..2_u8, ids.clone(), proptest::option::of(0..7_i64), any::<bool>())
            .prop_map(|(tenant, id, quantity, overshoot)| Step::Commit { tenant, id, quantity, overshoot }),
        2 => (0..2_u8, ids.clone()).prop_map(|(tenant, id)| Step::Release { tenant, id }),
        3 => (0..2_u8, ids, 1..4_u128)
            .prop_map(|(tenant, id, attempt)| Step::Cancel { tenant, id, attempt }),
        1 => (1..60_u64).prop_map(|seq| Step::Void { seq }),
        3 => (0..8_u8, 0..12_i64, 0..3_u8, 0..3_u8)
            .prop_map(|(which, limit, zone, enforcement)| Step::Set { which, limit, zone, enforcement }),
        1 => (0..8_u8).prop_map(|which| Step::Delete { which }),
        3 => (0..3_u64).prop_map(|back| Step::Seed { back }),
        1 => any::<bool>().prop_map(|default_deny| Step::Rules { default_deny }),
    ]
}

fn resolve(tenant: u8, n: u128, quantity: Option<i64>, now_us: i64) -> Resolve<'static> {
    Resolve {
        id: id(n),
        attempt: id(99),
        tenant_id: TENANTS[usize::from(tenant)],
        quantity,
        overshoot: false,
        not_after_us: now_us + 3 * SECOND,
    }
}

impl Step {
    /// The record of a step that is one.
    fn record(&self, now_us: i64, version: u64) -> Record<'static> {
        match *self {
            Step::Report {
                who,
                id,
                quantity,
                ago,
            } => {
                let [tenant_id, feature] = who_is(who);
                Record::Report(Report {
                    tenant_id,
                    feature,
                    resource: RESOURCES[usize::from(who >> 2) % 2].unwrap(),
                    ..crate::support::report(id, quantity, now_us - ago)
                })
            }
            Step::Take {
                who,
                id: n,
                attempt,
                quantity,
                ttl,
            } => {
                let [tenant_id, feature] = who_is(who);
                let take = Take {
                    id: id(n),
                    attempt: id(attempt),
                    tenant_id,
                    feature,
                    resource: RESOURCES[usize::from(who >> 2) % 3],
                    quantity,
                    ttl_seconds: ttl,
                    not_after_us: now_us + 3 * SECOND,
                };
                ttl.map_or(Record::Consume(take), |_| Record::Reserve(take))
            }
            Step::Commit {
                tenant,
                id,
                quantity,
                overshoot,
            } => Record::Commit(Resolve {
                overshoot,
                ..resolve(tenant, id, quantity, now_us)
            }),
            Step::Release { tenant, id } => Record::Release(resolve(tenant, id, None, now_us)),
            Step::Cancel {
                tenant,
                id: n,
                attempt,
            } => Record::Cancel(Resolve {
                attempt: id(attempt),
                ..resolve(tenant, n, None, now_us)
            }),
            Step::Set {
                which,
                limit,
                zone,
                enforcement,
            } => set(&some_quota(which, limit, zone, enforcement), version),
            Step::Delete { which } => delete(&some_quota(which, 1, 0, 0)),
            Step::Rules { default_deny } => rules(default_deny),
            Step::Wait(_) | Step::Void { .. } | Step::Seed { .. } => {
                Record::Barrier { nonce: id(0) }
            }
        }
    }
}

pub(crate) fn some_quota(which: u8, units: i64, zone: u8, enforcement: u8) -> Quota {
    let (tenant, feature, more) = [
        ("t", "f", r#","period":"hourly""#),
        ("t", "f", r#","period":"monthly""#),
        ("t", "*", r#","period":"hourly""#),
        ("*", "f", r#","period":"daily""#),
        ("*", "*", r#","period":"monthly""#),
        ("t", "f", r#","period":"daily","resource":"r""#),
        ("u", "g", r#","period":"lifetime""#),
        ("u", "f", r#","period":"minutely","alert_threshold":50"#),
    ][usize::from(which)];
    let zone = ["UTC", "Asia/Kolkata", "Australia/Lord_Howe"][usize::from(zone)];
    let enforcement = ["hard", "soft", "shadow"][usize::from(enforcement)];
    let more = format!(r#"{more},"timezone":"{zone}","enforcement":"{enforcement}""#);
    limit(tenant, feature, units, &more)
}

/// Plays steps against the fold and against the oracle.
struct Play {
    fold: Fold,
    oracle: Oracle,
    versions: u64,
    /// By quota, generation, tenant, feature, window.
    books: BTreeMap<(Uuid, u64, String, String, i64), i128>,
    clock: i64,
}

impl Play {
    fn new() -> Self {
        Self {
            fold: Fold::new(Horizon::default()),
            oracle: Oracle::default(),
            versions: 0,
            books: BTreeMap::new(),
            clock: 0,
        }
    }

    fn play(&mut self, step: &Step) {
        match *step {
            Step::Wait(us) => self.fold.now_us += us,
            Step::Void { seq } => self.void(seq),
            Step::Seed { back } => {
                for (quota, version) in self.oracle.warming() {
                    let seq = self.fold.seq().saturating_sub(back);
                    let totals = self.oracle.totals(&quota, seq);
                    self.apply(seed(&quota, version, seq, totals));
                }
            }
            _ => {
                self.versions += 1;
                let record = step.record(self.fold.now_us, self.versions);
                self.apply(record);
            }
        }
    }

    /// What the worker does with those events that it refuses, once.
    fn void(&mut self, seq: u64) {
        let index = usize::try_from(seq - 1).unwrap();
        if let Some((_, Record::Report(report))) = self.fold.log.get(index)
            && is_doomed(report)
        {
            self.apply(Record::Void(Fold::amend(seq)));
        }
    }

    fn apply(&mut self, record: Record<'static>) {
        let outcome = self.fold.apply(record);
        let (stamp, _) = *self.fold.log.last().unwrap();
        let expected = self.oracle.apply(stamp, record);
        check_reply(&outcome.reply, expected);
        for entry in outcome.effects.ledger {
            let key = (
                entry.quota_id,
                entry.generation,
                entry.tenant_id.to_string(),
                entry.feature.to_string(),
                entry.window.start_us,
            );
            *self.books.entry(key).or_default() += entry.sums.used();
        }
        assert!(
            self.fold.state.clock_us() >= self.clock,
            "the clock went back"
        );
        self.clock = self.fold.state.clock_us();
        assert_eq!(self.clock, self.oracle.clock);
        self.check_standing();
    }

    /// Every counter is what the whole history adds up to, and what the books add up to.
    fn check_standing(&self) {
        for (tenant, feature, resource) in everyone() {
            let mut found = Vec::new();
            for limit in self.fold.state.limits(tenant, feature, resource) {
                assert_eq!(
                    (limit.limit, limit.enforcement),
                    self.oracle.limit(limit.quota_id)
                );
                found.push((limit.quota_id, limit.used, limit.reserved));
            }
            found.sort_unstable();
            assert_eq!(
                found,
                self.oracle.applying(tenant, feature, resource),
                "{tenant} {feature}"
            );
        }
        for counter in self.fold.state.counters() {
            let key = (
                counter.quota_id,
                counter.generation,
                counter.tenant_id.to_owned(),
                counter.feature.to_owned(),
                counter.window_us,
            );
            let booked = self.books.get(&key).copied().unwrap_or_default();
            assert_eq!(booked, counter.used, "the books of {key:?}");
        }
    }
}

fn check_reply(reply: &Reply, expected: Verdict) {
    let verdict = match reply {
        Reply::Take(TakeReply::Answered { answer, repeated }) => {
            for limit in &answer.limits {
                let hard = limit.enforcement == Enforcement::Hard;
                if answer.allowed && hard && answer.taken > 0 && !repeated {
                    assert!(limit.fits(answer.taken), "over the limit: {answer:?}");
                }
            }
            if answer.allowed {
                Verdict::Allowed
            } else {
                let binding = answer.binding();
                let counts = |l: &&LimitState| l.enforcement != Enforcement::Shadow;
                assert_eq!(
                    binding.is_some(),
                    answer.limits.iter().any(|limit| counts(&limit)),
                    "a deny names its limit"
                );
                assert!(binding.is_none_or(|limit| !limit.fits(answer.quantity)));
                Verdict::Denied
            }
        }
        Reply::Take(TakeReply::Conflict) => Verdict::Conflict,
        Reply::Take(TakeReply::Ended) => Verdict::Ended,
        Reply::Take(TakeReply::Ignored | TakeReply::TooManyHolds) => Verdict::Ignored,
        Reply::Resolved(resolved) => match *resolved {
            ResolveReply::Committed { quantity } => Verdict::Committed(quantity),
            ResolveReply::Released => Verdict::Released,
            ResolveReply::Expired => Verdict::Expired,
            ResolveReply::Conflict => Verdict::Conflict,
            ResolveReply::NotFound => Verdict::NotFound,
            ResolveReply::ExceedsHold { .. } => Verdict::ExceedsHold,
            ResolveReply::Ignored => Verdict::Ignored,
        },
        Reply::Quota(reply) => {
            assert_ne!(*reply, QuotaReply::Ignored);
            Verdict::Nothing
        }
        Reply::Nothing | Reply::Barrier { .. } => Verdict::Nothing,
    };
    assert_eq!(verdict, expected);
}

fn who_is(who: u8) -> [&'static str; 2] {
    [
        TENANTS[usize::from(who & 1)],
        FEATURES[usize::from(who >> 1 & 1)],
    ]
}

fn everyone() -> impl Iterator<Item = (&'static str, &'static str, Option<&'static str>)> {
    TENANTS.into_iter().flat_map(|tenant| {
        FEATURES
            .into_iter()
            .flat_map(move |feature| RESOURCES.into_iter().map(move |r| (tenant, feature, r)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn every_answer_and_counter_is_what_the_whole_history_says(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut play = Play::new();
        for step in &steps {
            play.play(step);
        }
    }

    /// A state read back is the state, and goes on as it would have.
    #[test]
    fn a_snapshot_at_any_position_changes_nothing(
        steps in proptest::collection::vec(step(), 1..50), cut in 0..50_usize,
    ) {
        let mut play = Play::new();
        for step in &steps {
            play.play(step);
        }
        let log = &play.fold.log;
        let cut = cut.min(log.len());
        let mut state = State::new(Horizon::default());
        for (stamp, record) in &log[..cut] {
            state.apply(*stamp, record);
        }
        let read = State::decode(&state.encode()).unwrap();
        prop_assert_eq!(&read, &state);
        let mut read = read;
        for (stamp, record) in &log[cut..] {
            prop_assert_eq!(read.apply(*stamp, record), state.apply(*stamp, record));
        }
        prop_assert_eq!(read.encode(), play.fold.state.encode());
    }

    /// Total: no record makes it panic, and the clock never goes back.
    #[test]
    fn any_records_at_any_time(
        records in proptest::collection::vec((any_record(), any::<i64>(), any::<i64>()), 1..80),
    ) {
        let horizon = Horizon { reports: 3, takes: 2, holds: 2 };
        let mut state = State::new(horizon);
        let mut clock = 0;
        for ((record, stream_time_us, sent_at_us), seq) in records.into_iter().zip(1..) {
            let position = RecordPosition { partition: 0, seq, index: 0 };
            state.apply(Stamp { position, stream_time_us, sent_at_us }, &record);
            prop_assert!(state.clock_us() >= clock);
            clock = state.clock_us();
        }
        prop_assert_eq!(State::decode(&state.encode()).unwrap(), state);
    }

    /// Damaged bytes are refused.
    #[test]
    fn a_damaged_snapshot_is_none(bit in any::<usize>()) {
        let mut bytes = Fold::with(&[&some_quota(0, 5, 0, 0)]).state.encode();
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(State::decode(&bytes).is_err());
    }
}
