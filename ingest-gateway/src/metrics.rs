//! What the gateway counts.

use service_kit::metrics::{Histogram, IntCounter, IntCounterVec, float};

use crate::error::{IngestError, Rejected};

const EVENTS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0, 10_000.0,
];

service_kit::metrics! {
    pub(crate) struct GatewayMetrics {
        /// Events answered as accepted: they are in the log.
        accepted: IntCounter = "meterd_ingest_events_accepted_total";
        /// Repeats within one request, which were not appended.
        duplicate: IntCounter = "meterd_ingest_events_duplicate_total";
        /// Events refused for what they are, by code.
        rejected: IntCounterVec = "meterd_ingest_events_rejected_total" ["code"];
        /// Accepted events of a request.
        request: Histogram = "meterd_ingest_request_events" in EVENTS;
    }
}

impl GatewayMetrics {
    pub(crate) fn accepted(&self, accepted: usize, duplicates: usize, rejected: &[Rejected]) {
        self.accepted.inc_by(accepted as u64);
        self.duplicate.inc_by(duplicates as u64);
        self.request.observe(float(accepted));
        self.rejected(rejected);
    }

    pub(crate) fn refused(&self, error: &IngestError) {
        match error {
            IngestError::Single(rejected) => self.rejected(std::slice::from_ref(rejected)),
            IngestError::AllRejected(rejected) | IngestError::NotAtomic(rejected) => {
                self.rejected(rejected);
            }
            _ => {}
        }
    }

    fn rejected(&self, rejected: &[Rejected]) {
        for Rejected { code, .. } in rejected {
            self.rejected.with_label_values(&[code.as_str()]).inc();
        }
    }
}
