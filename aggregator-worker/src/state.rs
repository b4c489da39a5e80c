//! What the worker's tasks share.

use std::sync::Arc;

use metering_log::{Publisher, SharedBackend};
use metering_store::Store;
use service_kit::spans::Spans;

use crate::alarms::Alarms;
use crate::config::Config;
use crate::metrics::WorkerMetrics;

#[derive(Clone)]
pub(crate) struct State {
    pub(crate) config: Arc<Config>,
    pub(crate) log: SharedBackend,
    pub(crate) publisher: Publisher,
    pub(crate) store: Store,
    pub(crate) alarms: Alarms,
    pub(crate) metrics: WorkerMetrics,
    pub(crate) spans: Spans,
}
