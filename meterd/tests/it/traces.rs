//! From a client's trace to what the worker says of its events.

use std::fs;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{Home, eventually};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const ID: &str = "0193a5b0-7c1d-7000-8000-0000000000f1";

#[tokio::test]
async fn a_trace_leads_from_the_request_to_the_workers_log() {
    let home = Home::new();
    let (collector, spans) = Collector::start().await;
    let otlp = ["--otlp-endpoint", &collector.url];
    let args = ["--listen", "127.0.0.1:0", "--detach", otlp[0], otlp[1]];
    let up = home.run("up", &args);
    let up = up.await;
    assert_eq!(up.code, Some(0), "{}", up.stderr);
    let url = home.ready().expect("ready.json").url;
    let key = fs::read_to_string(home.file("admin.key")).expect("a key");
    // The second one has the first one's id, so it does not count, and the worker says whose it was.
    for (quantity, span) in [(1, "b7ad6b7169203331"), (2, "b7ad6b7169203332")] {
        let answer = reqwest::Client::new()
            .post(format!("{url}/v1/meter/events"))
            .bearer_auth(key.trim())
            .header("traceparent", format!("00-{TRACE}-{span}-01"))
            .json(&json!({
                "id": ID, "tenant_id": "a", "resource": "b", "feature": "c", "quantity": quantity,
            }))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 202);
        let answered = answer.headers()["traceparent"].to_str().expect("a text");
        assert!(answered.starts_with(&format!("00-{TRACE}-")), "{answered}");
        assert!(!answered.contains(span), "{answered}");
    }
    let log = home.file("logs/meterd.log");
    let needle = format!("trace.id={TRACE}");
    for said in ["answered", "it does not count"] {
        eventually(said, || {
            let text = fs::read_to_string(&log).expect("a log");
            let mut lines = text.lines();
            lines
                .any(|line| line.contains(&needle) && line.contains(said))
                .then_some(())
        })
        .await;
    }
    // What waited when it was stopped is sent, too.
    assert_eq!(home.run("down", &[]).await.code, Some(0));
    let spans = std::mem::take(&mut *spans.lock().expect("nobody panicked"));
    let trace_id = u128::from_str_radix(TRACE, 16).expect("hex").to_be_bytes();
    let named = |name: &str| {
        let spans = spans.iter().filter(|span| span.trace_id == trace_id);
        spans.filter(|span| span.name == name).collect::<Vec<_>>()
    };
    let requests = named("POST /v1/meter/events");
    let mut parents: Vec<_> = requests.iter().map(|s| &s.parent_span_id[..]).collect();
    parents.sort_unstable();
    let sent = [0xb7ad_6b71_6920_3331_u64, 0xb7ad_6b71_6920_3332].map(u64::to_be_bytes);
    assert_eq!(parents, sent);
    for span in requests.iter().chain(&named("persist")) {
        assert!(span.start_time_unix_nano > 0);
        assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    }
    let persisted = named("persist");
    assert!((1..=2).contains(&persisted.len()), "{persisted:?}");
}

type Spans = Arc<Mutex<Vec<Span>>>;

/// An OpenTelemetry collector that keeps what it is sent.
struct Collector {
    url: String,
    _serving: JoinSet<()>,
}

impl Collector {
    async fn start() -> (Self, Spans) {
        let spans = Spans::default();
        let router = Router::new()
            .route("/v1/traces", post(collect))
            .with_state(spans.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        let collector = Self {
            url,
            _serving: serving,
        };
        (collector, spans)
    }
}

async fn collect(State(spans): State<Spans>, body: Bytes) -> Vec<u8> {
    let sent = ExportTraceServiceRequest::decode(body).expect("an export of spans");
    let scopes = sent.resource_spans.into_iter().flat_map(|r| r.scope_spans);
    let all = scopes.flat_map(|scope| scope.spans);
    spans.lock().expect("nobody panicked").extend(all);
    Vec::new()
}
