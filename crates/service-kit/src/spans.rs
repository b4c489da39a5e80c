//! Spans for an OpenTelemetry collector: how long a request took, and its events' way into
//! Postgres. Off unless a collector is named. Spans wait in a bounded queue of their own thread;
//! while the collector is away they are dropped, and nobody waits for it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
pub use opentelemetry::KeyValue;
pub use opentelemetry::trace::SpanKind;
use opentelemetry::trace::{SpanContext, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, SpanId, TraceId};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _,
};
use uuid::Uuid;

use crate::VERSION;

/// How long the collector may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long the last spans may take when the process ends.
const FLUSH: Duration = Duration::from_secs(1);
/// Spans that wait; some 2 MB.
const MAX_WAITING: usize = 4096;
/// How old spans may get before they are sent.
const INTERVAL: Duration = Duration::from_secs(1);

/// Where spans go; clones share the way.
#[derive(Clone, Default)]
pub struct Spans(Option<Arc<Exporting>>);

struct Exporting {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

/// A span that has ended.
pub struct Span {
    pub name: Cow<'static, str>,
    pub kind: SpanKind,
    pub at: Place,
    /// The client's span, if it had one.
    pub parent: Option<u64>,
    pub ended: DateTime<Utc>,
    pub took: Duration,
    pub failed: bool,
    pub attributes: Vec<KeyValue>,
}

/// A span's trace and its own id.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub trace_id: Uuid,
    pub span_id: u64,
}

impl Place {
    /// A new span of a trace.
    pub fn within(trace_id: Uuid) -> Self {
        Self {
            trace_id,
            span_id: rand::random_range(1..=u64::MAX),
        }
    }
}

impl Spans {
    /// `collector` is the base of its URL, such as `http://127.0.0.1:4318`; `service` names the
    /// role. Error: it is no URL.
    pub fn to(collector: &str, service: &'static str) -> Result<Self, ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", collector.trim_end_matches('/')))
            .with_timeout(TIMEOUT)
            .build()?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(MAX_WAITING)
            .with_scheduled_delay(INTERVAL)
            .build();
        let exporter = Reported {
            exporter,
            failing: AtomicBool::new(false),
        };
        let mut processor = BatchSpanProcessor::new(exporter, config);
        let resource = Resource::builder_empty()
            .with_service_name(service)
            .with_attribute(KeyValue::new("service.version", VERSION))
            .build();
        processor.set_resource(&resource);
        Ok(Self(Some(Arc::new(Exporting {
            processor,
            scope: InstrumentationScope::builder("meterd").build(),
        }))))
    }

    /// Whether anybody collects them; if not, none need to be made.
    pub fn are_collected(&self) -> bool {
        self.0.is_some()
    }

    /// Queues a span, or drops it where too many wait.
    pub fn add(&self, span: Span) {
        let Some(Exporting { processor, scope }) = self.0.as_deref() else {
            return;
        };
        let ended = SystemTime::from(span.ended);
        processor.on_end(SpanData {
            span_context: context(span.at),
            parent_span_id: SpanId::from(span.parent.unwrap_or(0)),
            parent_span_is_remote: span.parent.is_some(),
            span_kind: span.kind,
            name: span.name,
            start_time: ended - span.took,
            end_time: ended,
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if span.failed {
                Status::error("")
            } else {
                Status::Unset
            },
            instrumentation_scope: scope.clone(),
        });
    }

    /// Sends what waits, for a moment; blocks its thread.
    pub fn flush(&self) {
        if let Some(exporting) = &self.0 {
            // Who cannot be told now was told before.
            let _ = exporting.processor.shutdown_with_timeout(FLUSH);
        }
    }
}

fn context(place: Place) -> SpanContext {
    SpanContext::new(
        TraceId::from(place.trace_id.as_u128()),
        SpanId::from(place.span_id),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    )
}

/// Says once that the collector is away, and once that it is back.
struct Reported {
    exporter: SpanExporter,
    failing: AtomicBool,
}

impl fmt::Debug for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exporter.fmt(f)
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Reported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exported = self.exporter.export(batch).await;
        let failing = exported.is_err();
        if self.failing.swap(failing, Ordering::Relaxed) != failing {
            match &exported {
                Ok(()) => tracing::info!("spans are collected again"),
                Err(error) => tracing::warn!(%error, "spans cannot be sent and are dropped"),
            }
        }
        exported
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
