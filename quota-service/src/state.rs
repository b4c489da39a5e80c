//! What handlers and tasks share.

use std::sync::Arc;
use std::time::Duration;

use metering_core::partition::partition_of;
use metering_log::{Publisher, SharedBackend};
use metering_store::Store;
use service_kit::metrics::Metrics;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::denials::Denials;
use crate::metrics::QuotaMetrics;
use crate::partition::Partition;

/// How long attempts may take to be withdrawn at a stop.
const DRAIN: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct QuotaState {
    pub(crate) config: Arc<Config>,
    pub(crate) log: SharedBackend,
    pub(crate) publisher: Publisher,
    pub(crate) store: Store,
    shared: Arc<Shared>,
}

struct Shared {
    partitions: Vec<Arc<Partition>>,
    /// Cancels on their way.
    cancels: TaskTracker,
    metrics: QuotaMetrics,
    denials: Denials,
}

impl QuotaState {
    pub(crate) fn new(
        config: Config,
        log: SharedBackend,
        publisher: Publisher,
        store: Store,
        metrics: &Metrics,
    ) -> Self {
        let partitions = (0..publisher.partitions()).map(|n| Arc::new(Partition::new(n)));
        let shared = Shared {
            partitions: partitions.collect(),
            cancels: TaskTracker::new(),
            metrics: QuotaMetrics::new(metrics, publisher.partitions()),
            denials: Denials::default(),
        };
        let state = Self {
            config: Arc::new(config),
            log,
            publisher,
            store,
            shared: Arc::new(shared),
        };
        state.metrics().export(metrics, state.clone());
        state
    }

    pub(crate) fn metrics(&self) -> &QuotaMetrics {
        &self.shared.metrics
    }

    pub(crate) fn denials(&self) -> &Denials {
        &self.shared.denials
    }

    pub(crate) fn partitions(&self) -> &[Arc<Partition>] {
        &self.shared.partitions
    }

    /// The partition of a tenant's records.
    pub(crate) fn partition(&self, tenant_id: &str) -> &Arc<Partition> {
        let number = partition_of(tenant_id, self.publisher.partitions());
        &self.shared.partitions[usize::from(number)]
    }

    pub(crate) fn cancels(&self) -> &TaskTracker {
        &self.shared.cancels
    }

    /// Waits for the cancels on their way, as long as a stop may take.
    pub(crate) async fn withdrawn(&self) {
        self.shared.cancels.close();
        if timeout(DRAIN, self.shared.cancels.wait()).await.is_err() {
            let cancels = self.shared.cancels.len();
            tracing::error!(cancels, "stopped with attempts that are not withdrawn");
        }
    }
}
