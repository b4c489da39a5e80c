//! Prometheus metrics: one [`Metrics`] a process, handed down; nothing is global. No label has a
//! value that a client chooses, tenants least of all, or one of which there is no end.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus::core::Collector;
pub use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Registry,
};
use prometheus::{HistogramOpts, Opts, TextEncoder};

use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::Problem;
use crate::spans::Spans;

/// Seconds a request or a statement may take.
pub const LATENCY_SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

type Refresh = Box<dyn Fn() + Send>;

/// The metrics of a process. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    pub registry: Registry,
    /// What else is shown of the process.
    pub spans: Spans,
    pub(crate) http: HttpMetrics,
    refresh: Arc<Mutex<Vec<Refresh>>>,
}

impl Default for Metrics {
    /// Of a process whose spans nobody collects.
    fn default() -> Self {
        Self::new(Spans::default())
    }
}

impl Metrics {
    /// With those that every process has.
    pub fn new(spans: Spans) -> Self {
        let registry = Registry::new();
        let build = BuildMetrics::register(&registry);
        build.info.with_label_values(&[crate::VERSION]).set(1);
        #[cfg(target_os = "linux")]
        register(
            &registry,
            prometheus::process_collector::ProcessCollector::for_self(),
        );
        Self {
            http: HttpMetrics::register(&registry),
            registry,
            spans,
            refresh: Arc::default(),
        }
    }

    /// Calls `refresh` before each scrape. It sets what is a state of something rather than counted
    /// as it happens, and must not block.
    pub fn before_scrape(&self, refresh: impl Fn() + Send + 'static) {
        let mut all = self.refresh.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Box::new(refresh));
    }

    /// `GET /metrics`, in Prometheus' text format; it needs no key.
    pub fn router(&self) -> Router {
        routes().with_state(self.clone()).into()
    }

    fn text(&self) -> prometheus::Result<String> {
        // Held meanwhile, so that what one refresh sets together is scraped together.
        let refresh = self.refresh.lock().unwrap_or_else(PoisonError::into_inner);
        refresh.iter().for_each(|refresh| refresh());
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// The description of this route.
pub fn openapi() -> OpenApi {
    routes().into_openapi()
}

fn routes() -> OpenApiRouter<Metrics> {
    OpenApiRouter::new().routes(routes!(get_metrics))
}

/// Metrics of the process
///
/// For Prometheus. Not here where `METERD_METRICS_LISTEN` names another address.
#[utoipa::path(
    get, path = "/metrics", tag = "Health", security(()),
    responses((status = 200, description = "Prometheus' text format.", body = String, content_type = "text/plain")),
)]
async fn get_metrics(State(metrics): State<Metrics>) -> Response {
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write the metrics");
            Problem::internal().into_response()
        }
    }
}

/// A metric as it is declared.
pub struct Declaration {
    pub name: &'static str,
    /// A sentence.
    pub help: &'static str,
    pub labels: &'static [&'static str],
    /// Upper bounds, of a histogram.
    pub buckets: &'static [f64],
}

/// A kind of metric.
pub trait Kind: Collector + Clone + 'static {
    fn make(declaration: &Declaration) -> prometheus::Result<Self>;
}

impl Declaration {
    /// Panics where it is no valid metric or declared twice in a process: a mistake of whoever
    /// wrote it, which the first start shows.
    pub fn register<K: Kind>(&self, registry: &Registry) -> K {
        let metric = K::make(self).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        register(registry, metric.clone());
        metric
    }

    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help.trim())
    }

    fn histogram_opts(&self) -> HistogramOpts {
        HistogramOpts::from(self.opts()).buckets(self.buckets.to_vec())
    }
}

fn register(registry: &Registry, collector: impl Collector + 'static) {
    let registered = registry.register(Box::new(collector));
    registered.expect("a metric is registered once a process");
}

macro_rules! kinds {
    ($($kind:ty: $declared:ident => $make:expr;)+) => {
        $(impl Kind for $kind {
            fn make($declared: &Declaration) -> prometheus::Result<Self> {
                $make
            }
        })+
    };
}

kinds! {
    IntCounter: declared => Self::with_opts(declared.opts());
    IntCounterVec: declared => Self::new(declared.opts(), declared.labels);
    IntGauge: declared => Self::with_opts(declared.opts());
    IntGaugeVec: declared => Self::new(declared.opts(), declared.labels);
    Gauge: declared => Self::with_opts(declared.opts());
    GaugeVec: declared => Self::new(declared.opts(), declared.labels);
    Histogram: declared => Self::with_opts(declared.histogram_opts());
    HistogramVec: declared => Self::new(declared.histogram_opts(), declared.labels);
}

/// Declares a struct of metrics and its `register`. A field's doc comment is what Prometheus shows
/// as help; labels stand in brackets behind the name, a histogram's buckets behind `in`.
#[macro_export]
macro_rules! metrics {
    ($(#[$outer:meta])* $vis:vis struct $name:ident {
        $($(#[doc = $help:literal])+
        $field:ident: $kind:ty = $metric:literal $([$($label:literal),+])? $(in $buckets:expr)?;)+
    }) => {
        $(#[$outer])*
        #[derive(Clone)]
        $vis struct $name {
            $($(#[doc = $help])+ $vis $field: $kind,)+
        }

        impl $name {
            /// Once a process.
            $vis fn register(registry: &$crate::metrics::Registry) -> Self {
                Self {
                    $($field: $crate::metrics::Declaration {
                        name: $metric,
                        help: concat!($($help),+),
                        labels: &[$($($label),+)?],
                        buckets: None::<&[f64]>$(.or(Some($buckets)))?.unwrap_or(&[]),
                    }
                    .register(registry),)+
                }
            }
        }
    };
}

metrics! {
    struct BuildMetrics {
        /// Always 1; its label is the version that runs.
        info: IntGaugeVec = "meterd_build_info" ["version"];
    }
}

metrics! {
    pub(crate) struct HttpMetrics {
        /// From a request's head to the head of its answer, by route and class of status.
        duration: HistogramVec = "meterd_http_request_duration_seconds"
            ["method", "route", "status"] in LATENCY_SECONDS;
        /// Requests answered with a problem, by its code.
        problems: IntCounterVec = "meterd_http_problems_total" ["route", "code"];
        /// Requests that have no answer yet.
        in_flight: IntGauge = "meterd_http_requests_in_flight";
    }
}

/// Brings a counter to a total that is kept elsewhere. Where that was begun anew, so is the
/// counter, as Prometheus expects of one.
pub fn raise(counter: &IntCounter, total: u64) {
    if total < counter.get() {
        counter.reset();
    }
    counter.inc_by(total - counter.get());
}

/// A gauge's value.
pub fn gauge(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// A count as a histogram takes it; exact far beyond what is counted here.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    metrics! {
        struct Sample {
            /// Things that
            /// happened.
            things: IntCounterVec = "meterd_sample_things_total" ["kind"];
            /// Their sizes.
            sizes: Histogram = "meterd_sample_size_bytes" in &[1.0, 10.0];
        }
    }

    #[test]
    fn a_doc_comment_is_the_help() {
        let metrics = Metrics::default();
        let sample = Sample::register(&metrics.registry);
        let things = sample.things.clone();
        metrics.before_scrape(move || raise(&things.with_label_values(&["a"]), 7));
        sample.sizes.observe(2.0);
        let text = metrics.text().expect("text");
        for line in [
            "# HELP meterd_sample_things_total Things that happened.",
            "meterd_sample_things_total{kind=\"a\"} 7",
            "meterd_sample_size_bytes_bucket{le=\"1\"} 0",
            "meterd_sample_size_bytes_bucket{le=\"10\"} 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_total_that_begins_anew_begins_the_counter_anew() {
        let counter = IntCounter::new("meterd_sample_total", "Sample.").expect("a counter");
        for total in [5, 9, 9, 2, 3] {
            raise(&counter, total);
            assert_eq!(counter.get(), total);
        }
    }

    #[test]
    #[should_panic(expected = "once a process")]
    fn the_same_metric_twice_is_a_mistake() {
        let metrics = Metrics::default();
        Sample::register(&metrics.registry);
        Sample::register(&metrics.registry);
    }
}
