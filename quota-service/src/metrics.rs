//! What the quota service measures.

use std::time::Duration;

use service_kit::metrics::{
    GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, LATENCY_SECONDS,
    Metrics, gauge,
};

use crate::error::QuotaError;
use crate::state::QuotaState;

/// Up to the longest deadline that makes sense: a decision that takes longer is none.
const DECISION_SECONDS: &[f64] = &[
    0.001, 0.002, 0.004, 0.008, 0.015, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0,
];

/// A decision is unknown: nothing could be said in time.
const UNKNOWN: &str = "unknown";
const EQUAL: &str = "equal";
const DIFFERENT: &str = "different";

service_kit::metrics! {
    pub(crate) struct QuotaMetrics {
        /// From a request that was read to its answer, by mode and by what was decided.
        decisions: HistogramVec = "meterd_quota_decision_duration_seconds"
            ["mode", "outcome"] in DECISION_SECONDS;
        /// Sequence of the last message that was folded; 0 while nothing is answered.
        folded: IntGaugeVec = "meterd_quota_folded_sequence" ["partition"];
        /// How long what comes now waits to be folded.
        lag: GaugeVec = "meterd_quota_fold_lag_seconds" ["partition"];
        /// By how much the clocks of broker and publisher differ, the message's way included.
        skew: GaugeVec = "meterd_quota_clock_skew_seconds" ["partition"];
        /// 1 while a partition stands still until somebody looks.
        alarm: IntGaugeVec = "meterd_quota_alarm" ["partition"];
        /// Counters that are kept: quotas times tenants, features and windows.
        counters: IntGaugeVec = "meterd_quota_counters" ["partition"];
        /// Sequence up to which this process has written the books.
        written: IntGaugeVec = "meterd_quota_books_sequence" ["partition"];
        /// One write of ledger, decisions, alerts and snapshot.
        write: Histogram = "meterd_quota_books_write_duration_seconds" in LATENCY_SECONDS;
        /// Comparisons of the state that answers with the one that the books are kept from, at the
        /// same position, by result.
        refolds: IntCounterVec = "meterd_quota_refolds_total" ["result"];
        /// Windows of the ledger that were compared with the aggregates at the same position.
        audited: IntCounter = "meterd_quota_audited_windows_total";
        /// Units by which ledger and aggregates differ.
        difference: GaugeVec = "meterd_quota_audit_difference_units" ["partition"];
        /// Sequence up to which this process has mirrored the counters in Redis.
        mirrored: IntGaugeVec = "meterd_quota_mirror_sequence" ["partition"];
        /// Times that Redis did not answer in time, or not as it should.
        mirror_failures: IntCounter = "meterd_quota_mirror_failures_total";
        /// Attempts to deliver an alert, by result.
        deliveries: IntCounterVec = "meterd_quota_alert_deliveries_total" ["result"];
    }
}

impl QuotaMetrics {
    pub(crate) fn new(metrics: &Metrics, partitions: u16) -> Self {
        let new = Self::register(&metrics.registry);
        for partition in 0..partitions {
            let partition = partition.to_string();
            new.alarm.with_label_values(&[&partition]).set(0);
            new.difference.with_label_values(&[&partition]).set(0.0);
        }
        // There before the first one, or that would not be seen as an increase.
        for result in [EQUAL, DIFFERENT] {
            new.refolds.with_label_values(&[result]);
        }
        for result in ["delivered", "failed"] {
            new.deliveries.with_label_values(&[result]);
        }
        new
    }

    /// Shows how far the partitions are.
    pub(crate) fn export(&self, metrics: &Metrics, state: QuotaState) {
        let (folded, lag) = (self.folded.clone(), self.lag.clone());
        metrics.before_scrape(move || {
            for partition in state.partitions() {
                let label = partition.number.to_string();
                let seq = *partition.folded().borrow();
                folded.with_label_values(&[&label]).set(gauge(seq));
                lag.with_label_values(&[&label])
                    .set(partition.lag().as_secs_f64());
            }
        });
    }

    pub(crate) fn decided(&self, mode: &str, allowed: Result<bool, &QuotaError>, took: Duration) {
        let outcome = match allowed {
            Ok(true) => "allowed",
            Ok(false) => "denied",
            Err(error) if error.is_unknown() => UNKNOWN,
            Err(_) => "refused",
        };
        self.decisions
            .with_label_values(&[mode, outcome])
            .observe(took.as_secs_f64());
    }

    pub(crate) fn refolded(&self, is_equal: bool) {
        let result = if is_equal { EQUAL } else { DIFFERENT };
        self.refolds.with_label_values(&[result]).inc();
    }
}
