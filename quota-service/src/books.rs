//! What the books owe since they were last written.

use std::collections::BTreeMap;

use chrono::DateTime;
use metering_core::quota::{
    Alert, Answer, LedgerEntry, Outcome, PeriodWindow, QuotaChange, Reply, State, Sums, TakeReply,
};
use metering_core::{Record, RecordPosition, record};
use metering_store::decision::Decision;
use uuid::Uuid;

/// Quota, generation, tenant, feature, start of the window.
type Row = (Uuid, u64, Box<str>, Box<str>, i64);

#[derive(Default)]
pub(crate) struct Books {
    ledger: BTreeMap<Row, (PeriodWindow, Sums)>,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) quotas: Vec<QuotaChange>,
    pub(crate) decisions: Vec<Decision>,
}

impl Books {
    pub(crate) fn enter(
        &mut self,
        state: &State,
        position: RecordPosition,
        record: &Record<'_>,
        outcome: Outcome,
    ) {
        let effects = outcome.effects;
        for entry in effects.ledger {
            let row = (
                entry.quota_id,
                entry.generation,
                entry.tenant_id,
                entry.feature,
                entry.window.start_us,
            );
            let (_, sums) = self
                .ledger
                .entry(row)
                .or_insert((entry.window, Sums::default()));
            sums.add(entry.sums);
        }
        self.alerts.extend(effects.alerts);
        self.quotas.extend(effects.quotas);
        let (kind, take) = match record {
            Record::Consume(take) => ("consume", take),
            Record::Reserve(take) => ("reserve", take),
            _ => return,
        };
        if let Reply::Take(reply) = outcome.reply {
            let at_us = state.clock_us();
            self.decisions
                .push(decision(position, kind, take, &reply, at_us));
        }
    }

    /// The ledger's rows, in key order.
    pub(crate) fn ledger(&self) -> Vec<LedgerEntry> {
        let rows = self.ledger.iter();
        rows.map(
            |((quota_id, generation, tenant, feature, _), (window, sums))| LedgerEntry {
                quota_id: *quota_id,
                generation: *generation,
                tenant_id: tenant.clone(),
                feature: feature.clone(),
                window: *window,
                sums: *sums,
            },
        )
        .collect()
    }
}

/// What a reply is called in the books; `verify` compares it.
pub(crate) fn outcome(reply: &TakeReply) -> &'static str {
    match reply {
        TakeReply::Answered { answer, .. } if answer.allowed => "allowed",
        TakeReply::Answered { .. } => "denied",
        TakeReply::Conflict => "conflict",
        TakeReply::Ended => "ended",
        TakeReply::Ignored => "ignored",
        TakeReply::TooManyHolds => "too_many_holds",
    }
}

fn decision(
    position: RecordPosition,
    kind: &str,
    take: &record::Take<'_>,
    reply: &TakeReply,
    at_us: i64,
) -> Decision {
    let answer = match reply {
        TakeReply::Answered { answer, .. } => json(answer),
        _ => None,
    };
    Decision {
        position,
        tenant_id: take.tenant_id.to_owned(),
        id: take.id,
        kind: kind.to_owned(),
        feature: take.feature.to_owned(),
        resource: take.resource.map(str::to_owned),
        quantity: take.quantity,
        outcome: outcome(reply).to_owned(),
        answer,
        decided_at: DateTime::from_timestamp_micros(at_us).unwrap_or_default(),
    }
}

fn json(answer: &Answer) -> Option<String> {
    serde_json::to_string(answer).ok()
}
