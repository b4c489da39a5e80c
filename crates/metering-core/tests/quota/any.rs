//! Records that nobody would write.

use metering_core::record::{Amend, Document, Report, Resolve, Take};
use metering_core::{Record, RecordPosition};
use proptest::prelude::*;
use uuid::Uuid;

use crate::laws::some_quota;
use crate::support::{id, seed, set};

fn name() -> impl Strategy<Value = &'static str> {
    let names = ["t", "u", "*", "", "(other)", "a b", "\0"];
    (0..names.len()).prop_map(move |n| names[n])
}

fn ids() -> impl Strategy<Value = Uuid> {
    (0..4_u128).prop_map(id)
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), -2..5_i64, Just(i64::MAX), Just(i64::MIN)]
}

fn resolve() -> impl Strategy<Value = Resolve<'static>> {
    let quantity = proptest::option::of(number());
    let all = (ids(), ids(), name(), quantity, any::<bool>(), number());
    all.prop_map(
        |(id, attempt, tenant_id, quantity, overshoot, not_after_us)| Resolve {
            id,
            attempt,
            tenant_id,
            quantity,
            overshoot,
            not_after_us,
        },
    )
}

fn take() -> impl Strategy<Value = Take<'static>> {
    let ttl = proptest::option::of(any::<u32>());
    let whom = (name(), name(), proptest::option::of(name()));
    (ids(), ids(), whom, number(), ttl, number()).prop_map(
        |(id, attempt, (tenant_id, feature, resource), quantity, ttl_seconds, not_after_us)| Take {
            id,
            attempt,
            tenant_id,
            feature,
            resource,
            quantity,
            ttl_seconds,
            not_after_us,
        },
    )
}

fn report() -> impl Strategy<Value = Report<'static>> {
    (ids(), name(), name(), name(), number(), number()).prop_map(
        |(id, tenant_id, resource, feature, quantity, timestamp_us)| Report {
            id,
            tenant_id,
            resource,
            feature,
            ..crate::support::report(0, quantity, timestamp_us)
        },
    )
}

fn amend() -> impl Strategy<Value = Amend<'static>> {
    (any::<u16>(), any::<u64>(), any::<u32>()).prop_map(|(partition, seq, index)| Amend {
        position: RecordPosition {
            partition,
            seq,
            index,
        },
        reason: "",
    })
}

fn document() -> impl Strategy<Value = Document<'static>> {
    let texts = [
        "null",
        "{",
        "{}",
        "[1]",
        r#"{"fold":9,"time_zones":"x"}"#,
        r#"{"fold":1,"time_zones":"x","default_deny":true}"#,
    ];
    (ids(), any::<u64>(), 0..texts.len()).prop_map(move |(id, version, n)| Document {
        id,
        version,
        json: texts[n],
    })
}

/// Any record at all, well-formed or not.
pub(crate) fn any_record() -> impl Strategy<Value = Record<'static>> {
    let versions = (0..8_u8, 0..12_i64, 0..3_u8, any::<u64>());
    prop_oneof![
        3 => report().prop_map(Record::Report),
        2 => take().prop_map(Record::Consume),
        2 => take().prop_map(Record::Reserve),
        1 => resolve().prop_map(Record::Commit),
        1 => resolve().prop_map(Record::Release),
        1 => resolve().prop_map(Record::Cancel),
        1 => ids().prop_map(|nonce| Record::Barrier { nonce }),
        1 => amend().prop_map(Record::Void),
        1 => amend().prop_map(Record::Correct),
        1 => document().prop_map(Record::Quota),
        1 => document().prop_map(Record::QuotaSeed),
        1 => document().prop_map(Record::Rules),
        1 => versions.clone().prop_map(|(w, l, z, v)| set(&some_quota(w, l, z, 0), v % 3)),
        1 => versions.prop_map(|(w, l, z, v)| seed(&some_quota(w, l, z, 0), v % 3, v, Vec::new())),
    ]
}
