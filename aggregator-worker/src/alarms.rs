//! Partitions that stand still until somebody looks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use service_kit::health::HealthReporter;
use service_kit::metrics::IntGaugeVec;

/// What is wrong, by partition; as long as anything is, the worker is not ready.
#[derive(Clone)]
pub(crate) struct Alarms {
    reporter: HealthReporter,
    raised: Arc<Mutex<BTreeMap<u16, String>>>,
    /// 1 by partition.
    gauge: IntGaugeVec,
}

impl Alarms {
    pub(crate) fn new(reporter: HealthReporter, gauge: IntGaugeVec) -> Self {
        Self {
            reporter,
            raised: Arc::default(),
            gauge,
        }
    }

    pub(crate) fn raise(&self, partition: u16, reason: &str) {
        tracing::error!(partition, reason, "ALARM: the partition stops");
        self.show(partition, 1);
        self.change(|raised| raised.insert(partition, reason.to_owned()));
    }

    /// The partition works, or is no longer this worker's.
    pub(crate) fn clear(&self, partition: u16) {
        self.show(partition, 0);
        self.change(|raised| raised.remove(&partition));
    }

    fn show(&self, partition: u16, alarm: i64) {
        let partition = partition.to_string();
        self.gauge.with_label_values(&[&partition]).set(alarm);
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<u16, String>) -> Option<String>) {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut raised);
        match raised.first_key_value() {
            None => self.reporter.ready(),
            Some((partition, reason)) => {
                self.reporter
                    .not_ready(format!("partition {partition} stands still: {reason}"));
            }
        }
    }

    /// Nothing can be done without the database.
    pub(crate) fn no_database(&self) {
        self.reporter.not_ready("Postgres is away");
    }

    pub(crate) fn database(&self) {
        self.change(|_| None);
    }
}
