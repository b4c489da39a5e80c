//! What the gateway counts.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use service_kit::metrics::{Histogram, IntCounter, IntCounterVec, Registry, float};

use crate::error::{IngestError, Rejected};

const EVENTS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0, 10_000.0,
];
/// Keys that are told apart, the first ones that had events refused: a series is never given back.
const MAX_KEYS: usize = 100;
/// Stands for all keys behind those; no id of a key.
const OTHER_KEYS: &str = "other";

service_kit::metrics! {
    struct Counters {
        /// Events answered as accepted: they are in the log.
        accepted: IntCounter = "meterd_ingest_events_accepted_total";
        /// Repeats within one request, which were not appended.
        duplicate: IntCounter = "meterd_ingest_events_duplicate_total";
        /// Events refused for what they are, by code and the id of the API key they were sent with; from
        /// the hundred-and-first key on by `other`.
        rejected: IntCounterVec = "meterd_ingest_events_rejected_total" ["code", "key"];
        /// Accepted events of a request.
        request: Histogram = "meterd_ingest_request_events" in EVENTS;
    }
}

/// Clones share it.
#[derive(Clone)]
pub(crate) struct GatewayMetrics {
    counters: Counters,
    keys: Arc<Mutex<HashSet<String>>>,
}

impl GatewayMetrics {
    /// Once a process.
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            counters: Counters::register(registry),
            keys: Arc::default(),
        }
    }

    pub(crate) fn accepted(
        &self,
        key_id: &str,
        accepted: usize,
        duplicates: usize,
        rejected: &[Rejected],
    ) {
        self.counters.accepted.inc_by(accepted as u64);
        self.counters.duplicate.inc_by(duplicates as u64);
        self.counters.request.observe(float(accepted));
        self.rejected(key_id, rejected);
    }

    pub(crate) fn refused(&self, key_id: &str, error: &IngestError) {
        match error {
            IngestError::Single(rejected) => self.rejected(key_id, std::slice::from_ref(rejected)),
            IngestError::AllRejected(rejected) | IngestError::NotAtomic(rejected) => {
                self.rejected(key_id, rejected);
            }
            _ => {}
        }
    }

    /// The key was let in, so its id is one that the server made.
    fn rejected(&self, key_id: &str, rejected: &[Rejected]) {
        if rejected.is_empty() {
            return;
        }
        let key = self.label(key_id);
        for Rejected { code, .. } in rejected {
            let labels = [code.as_str(), key];
            self.counters.rejected.with_label_values(&labels).inc();
        }
    }

    fn label<'a>(&self, key_id: &'a str) -> &'a str {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.contains(key_id) {
            return key_id;
        }
        if keys.len() == MAX_KEYS {
            return OTHER_KEYS;
        }
        keys.insert(key_id.to_owned());
        key_id
    }
}

#[cfg(test)]
mod tests {
    use metering_core::code::Code;

    use super::*;

    #[test]
    fn there_is_an_end_to_keys_that_are_told_apart() {
        let metrics = GatewayMetrics::new(&Registry::new());
        let refused = |code| {
            IngestError::Single(Rejected {
                index: 0,
                id: None,
                code,
                detail: String::new(),
            })
        };
        for _ in 0..2 {
            for key in 0..MAX_KEYS + 20 {
                metrics.refused(&format!("key{key}"), &refused(Code::InvalidQuantity));
            }
        }
        metrics.refused("key0", &refused(Code::InvalidTimestamp));
        let count = |labels: [&str; 2]| {
            let counter = metrics.counters.rejected.with_label_values(&labels);
            counter.get()
        };
        for (labels, expected) in [
            (["invalid_quantity", "key0"], 2),
            (["invalid_timestamp", "key0"], 1),
            (["invalid_quantity", "key99"], 2),
            (["invalid_quantity", "key100"], 0),
            (["invalid_quantity", OTHER_KEYS], 40),
        ] {
            assert_eq!(count(labels), expected, "{labels:?}");
        }
    }
}
