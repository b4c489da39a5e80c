//! What the query server measures.

use metering_store::Readers;
use service_kit::metrics::{Histogram, IntGaugeVec, LATENCY_SECONDS, Metrics, gauge};

service_kit::metrics! {
    pub(crate) struct QueryMetrics {
        /// How long requests with a receipt waited for its events, those included that gave up.
        receipt_wait: Histogram = "meterd_query_receipt_wait_seconds" in LATENCY_SECONDS;
        /// Connections to Postgres that answers are read with, by whether a statement uses them.
        connections: IntGaugeVec = "meterd_query_postgres_connections" ["state"];
    }
}

impl QueryMetrics {
    pub(crate) fn new(metrics: &Metrics, readers: &Readers) -> Self {
        let new = Self::register(&metrics.registry);
        let (connections, readers) = (new.connections.clone(), readers.clone());
        metrics.before_scrape(move || {
            let (all, idle) = readers.size();
            let used = all.saturating_sub(idle);
            connections.with_label_values(&["idle"]).set(gauge(idle));
            connections.with_label_values(&["used"]).set(gauge(used));
        });
        new
    }
}
