//! A log that keeps figures: how long its fsyncs take, how big its envelopes are, how full it is.

use std::time::Instant;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, TryFutureExt as _};
use metering_core::envelope::record_count;
use metering_log::{Backend, BackendError, Message, Publisher, SharedBackend, StreamInfo};

use crate::metrics::{Histogram, IntCounterVec, IntGauge, IntGaugeVec, Metrics, float, gauge};

/// An fsync of a fast disk to one that is lost in work.
const APPEND_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0,
];
const RECORDS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0,
];
/// Up to what an envelope may have.
const BYTES: &[f64] = &[
    512.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 131_072.0, 262_144.0, 524_288.0,
];

const FULL: &str = "full";
const TIMEOUT: &str = "timeout";
const NO_STREAM: &str = "no_stream";
const NOT_SENT: &str = "not_sent";
const UNAVAILABLE: &str = "unavailable";
const CAUSES: [&str; 5] = [FULL, TIMEOUT, NO_STREAM, NOT_SENT, UNAVAILABLE];

crate::metrics! {
    /// Of this process' appends, and of the streams as this process last saw them.
    struct LogMetrics {
        /// From sending an envelope to the log's confirmation that it is as durable as promised.
        append: Histogram = "meterd_log_append_duration_seconds" in APPEND_SECONDS;
        /// Records of a confirmed envelope.
        records: Histogram = "meterd_log_envelope_records" in RECORDS;
        /// Bytes of a confirmed envelope.
        bytes: Histogram = "meterd_log_envelope_bytes" in BYTES;
        /// Envelopes that were not confirmed, by cause.
        failures: IntCounterVec = "meterd_log_append_failures_total" ["cause"];
        /// Sequence of the newest message.
        last: IntGaugeVec = "meterd_log_last_sequence" ["partition"];
        /// Bytes that the stream holds.
        size: IntGaugeVec = "meterd_log_stream_bytes" ["partition"];
        /// Bytes that the stream may hold; reports are refused from nine tenths on.
        max_size: IntGaugeVec = "meterd_log_stream_max_bytes" ["partition"];
    }
}

crate::metrics! {
    struct PublisherMetrics {
        /// 1 while appends are refused because the last one failed.
        open: IntGaugeVec = "meterd_log_breaker_open" ["partition"];
        /// Bytes of records that wait to be sent or confirmed.
        queue: IntGauge = "meterd_log_queue_bytes";
    }
}

/// Shows the state of a process' publisher in its metrics.
pub fn export(publisher: &Publisher, metrics: &Metrics) {
    let publisher = publisher.clone();
    let PublisherMetrics { open, queue } = PublisherMetrics::register(&metrics.registry);
    metrics.before_scrape(move || {
        for partition in 0..publisher.partitions() {
            let open = open.with_label_values(&[&partition.to_string()]);
            open.set(i64::from(publisher.refuses(partition)));
        }
        queue.set(gauge(publisher.queued_bytes()));
    });
}

/// Passes everything on to another log.
pub struct MeasuredLog {
    log: SharedBackend,
    metrics: LogMetrics,
}

impl MeasuredLog {
    pub fn new(log: SharedBackend, metrics: &Metrics) -> Self {
        let metrics = LogMetrics::register(&metrics.registry);
        // There before the first failure, or that would not be seen as an increase.
        for cause in CAUSES {
            metrics.failures.with_label_values(&[cause]);
        }
        Self { log, metrics }
    }

    /// Passes on what is known of a stream.
    fn look(&self, partition: u16, info: StreamInfo) -> StreamInfo {
        let partition = partition.to_string();
        let set = |metric: &IntGaugeVec, value: u64| {
            metric.with_label_values(&[&partition]).set(gauge(value));
        };
        set(&self.metrics.last, info.last_seq);
        set(&self.metrics.size, info.bytes);
        set(&self.metrics.max_size, info.max_bytes);
        info
    }
}

impl Backend for MeasuredLog {
    fn ensure(&self, partition: u16) -> BoxFuture<'_, Result<StreamInfo, BackendError>> {
        let ensured = self.log.ensure(partition);
        ensured
            .map_ok(move |info| self.look(partition, info))
            .boxed()
    }

    fn info(&self, partition: u16) -> BoxFuture<'_, Result<StreamInfo, BackendError>> {
        let info = self.log.info(partition);
        info.map_ok(move |info| self.look(partition, info)).boxed()
    }

    fn publish(
        &self,
        partition: u16,
        message_id: String,
        payload: Bytes,
    ) -> BoxFuture<'_, Result<u64, BackendError>> {
        let (records, bytes) = (record_count(&payload), payload.len());
        let published = self.log.publish(partition, message_id, payload);
        async move {
            let sent_at = Instant::now();
            // Whoever stops waiting for the confirmation drops this.
            let mut failure = Failure(&self.metrics, Some(TIMEOUT));
            let published = published.await;
            failure.1 = published.as_ref().err().map(cause);
            if published.is_ok() {
                let took = sent_at.elapsed().as_secs_f64();
                self.metrics.append.observe(took);
                self.metrics.records.observe(float(records));
                self.metrics.bytes.observe(float(bytes));
            }
            published
        }
        .boxed()
    }

    fn get(
        &self,
        partition: u16,
        seq: u64,
    ) -> BoxFuture<'_, Result<Option<Message>, BackendError>> {
        self.log.get(partition, seq)
    }

    fn read(
        &self,
        partition: u16,
        after: u64,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Message, BackendError>>, BackendError>>
    {
        self.log.read(partition, after)
    }

    fn purge(&self, partition: u16, seq: u64) -> BoxFuture<'_, Result<(), BackendError>> {
        self.log.purge(partition, seq)
    }

    fn link(&self) -> u64 {
        self.log.link()
    }
}

/// An envelope that was not confirmed, by cause.
struct Failure<'a>(&'a LogMetrics, Option<&'static str>);

impl Drop for Failure<'_> {
    fn drop(&mut self) {
        if let Some(cause) = self.1 {
            self.0.failures.with_label_values(&[cause]).inc();
        }
    }
}

fn cause(error: &BackendError) -> &'static str {
    match error {
        BackendError::Full => FULL,
        BackendError::Timeout => TIMEOUT,
        BackendError::NoSuchStream(_) | BackendError::Foreign(_) => NO_STREAM,
        BackendError::NotSent(_) => NOT_SENT,
        BackendError::Unavailable(_) => UNAVAILABLE,
    }
}
