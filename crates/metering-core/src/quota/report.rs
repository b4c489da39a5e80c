//! Events: counted once, in place of their take if they have one, and taken back when the worker
//! finds that they do not count.

use super::effect::Effects;
use super::limit::Whose;
use super::limits::{Settled, Usage};
use super::state::{Seen, State};
use super::take::Phase;
use crate::event::is_identifier;
use crate::judge::{FirstSeen, Verdict, judge};
use crate::position::RecordPosition;
use crate::record::Report;

impl State {
    pub(crate) fn report(&mut self, at: RecordPosition, report: &Report<'_>, fx: &mut Effects) {
        let memory = self.tenants.get(report.tenant_id);
        let first = memory.and_then(|memory| memory.reports.get(&report.id));
        let first = first.map(|seen| FirstSeen {
            position: seen.position,
            payload_hash: seen.payload_hash,
        });
        let counts = match judge(report, first.as_ref()) {
            Verdict::Counted => true,
            Verdict::Dead(_) => false,
            Verdict::Duplicate | Verdict::Conflict => return,
        };
        if !is_identifier(report.tenant_id) {
            return;
        }
        let counted = if counts {
            self.count(at, report, fx)
        } else {
            Vec::new()
        };
        let (name, memory) = self.tenant(report.tenant_id);
        memory.reports.insert(
            report.id,
            Seen {
                position: at,
                payload_hash: report.payload_hash,
                feature: report.feature.into(),
                quantity: report.quantity,
                counts,
                counted,
            },
        );
        self.order.reports.insert(at, (name, report.id));
    }

    fn count(
        &mut self,
        at: RecordPosition,
        report: &Report<'_>,
        fx: &mut Effects,
    ) -> Vec<super::limits::Counted> {
        let usage = Usage {
            tenant: report.tenant_id,
            feature: report.feature,
            resource: Some(report.resource),
        };
        let use_ = (at.seq, report.timestamp_us, report.quantity);
        let clock_us = self.clock_us;
        let mut settled = None;
        let mut ended = None;
        let memory = self.tenants.get_mut(report.tenant_id);
        if let Some(take) = memory.and_then(|memory| memory.takes.get_mut(&report.id)) {
            if matches!(take.phase, Phase::Settled { .. }) {
                // A repeat of the event that settled it, from behind the horizon.
                return Vec::new();
            }
            if let Some(standing) = take.phase.standing() {
                settled = Some((
                    take.feature.clone(),
                    std::mem::take(&mut take.charges),
                    standing,
                ));
                let quantity = report.quantity;
                let before = std::mem::replace(&mut take.phase, Phase::Settled { quantity });
                if let Phase::Held { expires_us } = before {
                    take.since = Some(at);
                    ended = Some(expires_us);
                }
            }
        }
        if let Some(expires_us) = ended {
            let (name, _) = self.tenant(report.tenant_id);
            self.order
                .holds
                .remove(&(expires_us, name.clone(), report.id));
            self.order.takes.insert((at, name, report.id));
        }
        let settled = settled
            .as_ref()
            .map(|(feature, charges, standing)| Settled {
                feature,
                charges,
                standing: *standing,
            });
        self.limits
            .report(usage, use_, settled.as_ref(), (clock_us, fx))
    }

    /// Takes back what the report at `position` counted. Its id stays taken.
    pub(crate) fn uncount(&mut self, position: RecordPosition, fx: &mut Effects) {
        let clock_us = self.clock_us;
        let Some((tenant, id)) = self.order.reports.get(&position).cloned() else {
            return;
        };
        let memory = self.tenants.get_mut(&tenant);
        let Some(seen) = memory.and_then(|memory| memory.reports.get_mut(&id)) else {
            return;
        };
        seen.counts = false;
        let counted = std::mem::take(&mut seen.counted);
        let feature = seen.feature.clone();
        let whose = Whose {
            tenant: &tenant,
            feature: &feature,
        };
        self.limits
            .uncount(whose, position.seq, &counted, (clock_us, fx));
    }
}
