//! The bad-input matrix of `POST /v1/meter/events`: what is sent, what is answered. On a gateway and
//! a broker that are real; nothing of it may reach the log, and nothing is answered with a 5xx.

mod nearly_good;
mod rows;

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use metering_log::topology::{GENERATION, stream};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use service_kit::key::ApiKeySecret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::connect_nats;
use crate::support::deployment::Deployment;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const CLOUD_EVENT: &str = "application/cloudevents+json";
const CLOUD_EVENT_BATCH: &str = "application/cloudevents-batch+json";
const GOOD_CLOUD_EVENT: &str = r#"{"specversion":"1.0","id":"A-1","source":"/s","type":"com.example","subject":"org_001","data":{"quantity":2}}"#;

/// A good event with one more member, which comes with its comma.
fn event(more: &str) -> String {
    format!(r#"{{"tenant_id":"t","resource":"r","feature":"f"{more}}}"#)
}

struct Gateway {
    deployment: Deployment,
    client: reqwest::Client,
    key: String,
}

impl Gateway {
    async fn start() -> Self {
        let deployment = Deployment::start(0, &[("METERD_GATEWAY_BODY_TIMEOUT", "2")]).await;
        let key = deployment.admin_key.clone();
        let client = reqwest::Client::new();
        Self {
            deployment,
            client,
            key,
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.deployment.gateway.url());
        self.client.request(method, url).bearer_auth(&self.key)
    }

    fn post(&self, media_type: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let request = self.request(Method::POST, "/v1/meter/events");
        request.header(CONTENT_TYPE, media_type).body(body)
    }

    /// The number of messages that the log has taken.
    async fn logged(&self) -> u64 {
        let nats = connect_nats(self.deployment.servers.variable("METERD_NATS_URL")).await;
        let jetstream = async_nats::jetstream::new(nats);
        let mut logged = 0;
        for partition in 0..2 {
            let name = stream(GENERATION, partition);
            let mut stream = jetstream.get_stream(name).await.expect("the log");
            logged += stream.info().await.expect("its state").state.last_sequence;
        }
        logged
    }

    /// The text of a new key.
    async fn key(&self, scope: &str, tenant: Option<&str>) -> String {
        let url = format!("{}/v1/meter/keys", self.deployment.query.url());
        let new = json!({ "name": "test", "scopes": [scope], "tenant_id": tenant });
        let request = self.client.post(url).bearer_auth(&self.key).json(&new);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 201);
        let key: Value = answer.json().await.expect("JSON");
        key["secret"].as_str().expect("a secret").to_owned()
    }
}

/// What a problem says, after a look at its form.
async fn problem(what: &str, answer: Response) -> (u16, String, Value) {
    let status = answer.status().as_u16();
    assert!((400..500).contains(&status), "{what}: {status}");
    let media_type = answer.headers().get(CONTENT_TYPE).cloned();
    assert_eq!(
        media_type.expect(what),
        "application/problem+json",
        "{what}"
    );
    let problem: Value = answer.json().await.expect(what);
    assert_eq!(problem["status"], status, "{what}: {problem}");
    for member in ["title", "detail"] {
        assert!(
            problem[member]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{what}: {problem}"
        );
    }
    let code = problem["code"].as_str().expect(what).to_owned();
    (status, code, problem)
}

async fn assert_refused(what: &str, request: RequestBuilder, status: u16, code: &str) {
    let answer = request
        .send()
        .await
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    let (found, told, problem) = problem(what, answer).await;
    assert_eq!((found, told.as_str()), (status, code), "{what}: {problem}");
}

/// The only event of a batch is refused, and the batch with it.
async fn assert_event_refused(what: &str, request: RequestBuilder, code: &str) {
    let answer = request
        .send()
        .await
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    let (status, told, problem) = problem(what, answer).await;
    let first = &problem["errors"][0];
    let expected = (422, "all_rejected", &json!(0), &json!(code));
    assert_eq!(
        (status, told.as_str(), &first["index"], &first["code"]),
        expected,
        "{what}: {problem}"
    );
}

/// Whether a code is about the text rather than about what it says.
fn status_of(code: &str) -> u16 {
    match code {
        "invalid_json" | "invalid_shape" | "too_deep" | "duplicate_field" => 400,
        _ => 422,
    }
}

#[tokio::test]
async fn the_matrix() {
    let gateway = Gateway::start().await;
    events(&gateway).await;
    bodies(&gateway).await;
    cloud_events(&gateway).await;
    encodings(&gateway).await;
    callers(&gateway).await;
    heads(&gateway).await;
    assert_eq!(gateway.logged().await, 0, "something was appended");
    let answer = gateway
        .post(JSON, event(""))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 202);
    assert_eq!(gateway.logged().await, 1);
}

/// Each bad event by itself, in the three kinds of array and as a line.
async fn events(gateway: &Gateway) {
    let mut rows: Vec<(String, &str)> = rows::MEMBERS
        .iter()
        .map(|(member, code)| (event(&format!(",{member}")), *code))
        .collect();
    for (field, good) in [("tenant_id", "t"), ("resource", "r"), ("feature", "f")] {
        let (good, long) = (format!("\"{field}\":\"{good}\""), "a".repeat(129));
        for name in rows::NAMES
            .iter()
            .copied()
            .chain([format!("\"{long}\"").as_str()])
        {
            let bad = event("").replace(&good, &format!("\"{field}\":{name}"));
            rows.push((bad, "invalid_identifier"));
        }
        let without = event("").replace(&good, "\"metadata\":{}");
        rows.push((without, "missing_field"));
    }
    let keys: Vec<_> = (0..65).map(|n| format!("\"k{n}\":1")).collect();
    let deep = ["{\"a\":".repeat(32), "{}".to_owned(), "}".repeat(32)].concat();
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(8 * 1024));
    for (metadata, code) in [
        (format!("{{{}}}", keys.join(",")), "metadata_too_large"),
        (large, "metadata_too_large"),
    ] {
        rows.push((event(&format!(",\"metadata\":{metadata}")), code));
    }
    let deep = event(&format!(",\"metadata\":{deep}"));
    assert_refused("depth", gateway.post(JSON, deep), 422, "invalid_metadata").await;
    for (bad, code) in &rows {
        let shown = &bad.chars().take(200).collect::<String>();
        assert_refused(
            shown,
            gateway.post(JSON, bad.clone()),
            status_of(code),
            code,
        )
        .await;
        for (media_type, body) in [
            (JSON, format!("[{bad}]")),
            (JSON, format!("{{\"events\":[{bad}]}}")),
            (NDJSON, format!("{bad}\n")),
        ] {
            assert_event_refused(shown, gateway.post(media_type, body), code).await;
        }
    }
}

async fn bodies(gateway: &Gateway) {
    for (body, status, code) in rows::json_bodies() {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_refused(&shown, gateway.post(JSON, body), status, code).await;
    }
    for (line, code) in rows::lines() {
        let shown = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
        assert_event_refused(&shown, gateway.post(NDJSON, line), code).await;
    }
    assert_refused(
        "blank lines",
        gateway.post(NDJSON, "\n\r\n"),
        400,
        "empty_body",
    )
    .await;
    let many = "7\n".repeat(10_001);
    assert_refused("lines", gateway.post(NDJSON, many), 413, "batch_too_large").await;

    let id = r#","id":"0193a5b0-7c1d-7000-8000-00000000000a""#;
    let other = event(&format!(r#"{id},"quantity":2"#));
    let conflict = format!("[{},{other}]", event(id));
    assert_event_refused("two payloads", gateway.post(JSON, conflict), "id_conflict").await;
    let mixed = format!("[{},7]", event(""));
    let atomic = gateway.request(Method::POST, "/v1/meter/events?atomic=true");
    assert_refused("atomic", atomic.body(mixed), 422, "not_atomic").await;
    let unknown = gateway.request(Method::POST, "/v1/meter/events?atomic=perhaps");
    assert_refused("atomic", unknown.body(event("")), 400, "invalid_parameter").await;
    for key in ["", "two words", &"k".repeat(256)] {
        let request = gateway.post(JSON, event("")).header("idempotency-key", key);
        assert_refused("Idempotency-Key", request, 400, "invalid_parameter").await;
    }
}

async fn cloud_events(gateway: &Gateway) {
    for (from, to, code) in rows::CLOUD_EVENTS {
        let bad = GOOD_CLOUD_EVENT.replacen(from, to, 1);
        assert_ne!(bad, GOOD_CLOUD_EVENT);
        let single = gateway.post(CLOUD_EVENT, bad.clone());
        assert_refused(&bad, single, status_of(code), code).await;
        let batch = gateway.post(CLOUD_EVENT_BATCH, format!("[{bad}]"));
        assert_event_refused(&bad, batch, code).await;
    }
    for (media_type, body, status, code) in [
        (CLOUD_EVENT, "", 400, "empty_body"),
        (CLOUD_EVENT, "{", 400, "invalid_json"),
        (CLOUD_EVENT, "[]", 400, "invalid_shape"),
        (CLOUD_EVENT_BATCH, GOOD_CLOUD_EVENT, 400, "invalid_shape"),
        (CLOUD_EVENT_BATCH, "[]", 422, "empty_batch"),
        (CLOUD_EVENT_BATCH, "[7]", 422, "all_rejected"),
        (JSON, GOOD_CLOUD_EVENT, 422, "unknown_field"),
    ] {
        assert_refused(body, gateway.post(media_type, body), status, code).await;
    }
    for (header, value, data, status, code) in rows::BINARY {
        let mut request = gateway.post(JSON, *data).build().expect("a request");
        for (name, good) in [
            ("ce-specversion", "1.0"),
            ("ce-id", "A-1"),
            ("ce-source", "/s"),
            ("ce-type", "com.example"),
            ("ce-subject", "org_001"),
        ] {
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static(good));
        }
        let value = HeaderValue::from_bytes(value).expect("a value");
        request
            .headers_mut()
            .insert(HeaderName::from_static(header), value);
        let answer = gateway.client.execute(request).await.expect(header);
        let (found, told, problem) = problem(header, answer).await;
        assert_eq!(
            (found, told.as_str()),
            (*status, *code),
            "{header}: {problem}"
        );
    }
}

async fn encodings(gateway: &Gateway) {
    let (mut gzip, mut zstd) = (GzipEncoder::new(Vec::new()), ZstdEncoder::new(Vec::new()));
    let bomb = vec![b' '; 32 * 1024 * 1024 + 1];
    gzip.write_all(&bomb).await.expect("memory");
    gzip.shutdown().await.expect("memory");
    zstd.write_all(&bomb).await.expect("memory");
    zstd.shutdown().await.expect("memory");
    let (gzip, zstd) = (gzip.into_inner(), zstd.into_inner());
    for (encoding, body, status, code) in [
        ("gzip", event("").into_bytes(), 400, "invalid_encoding"),
        ("zstd", event("").into_bytes(), 400, "invalid_encoding"),
        ("gzip", gzip[..1000].to_vec(), 400, "invalid_encoding"),
        ("zstd", zstd[..100].to_vec(), 400, "invalid_encoding"),
        ("gzip", gzip.clone(), 413, "body_too_large"),
        ("zstd", zstd, 413, "body_too_large"),
        ("gzip, gzip", gzip, 415, "unsupported_encoding"),
        ("br", vec![], 415, "unsupported_encoding"),
    ] {
        let request = gateway.post(JSON, body).header(CONTENT_ENCODING, encoding);
        assert_refused(encoding, request, status, code).await;
    }
    for media_type in [
        "text/plain",
        "application/xml",
        "application/cloudevents+xml",
        "multipart/form-data",
    ] {
        let request = gateway.post(media_type, event(""));
        assert_refused(media_type, request, 415, "unsupported_media_type").await;
    }
}

async fn callers(gateway: &Gateway) {
    let post = || {
        gateway.client.post(format!(
            "{}/v1/meter/events",
            gateway.deployment.gateway.url()
        ))
    };
    let unknown = ApiKeySecret::generate();
    for (credentials, code) in [
        (None, "unauthenticated"),
        (Some("Basic dXNlcjpwYXNz".to_owned()), "unauthenticated"),
        (Some("Bearer ".to_owned()), "unauthenticated"),
        (Some("Bearer mk_typo".to_owned()), "invalid_key"),
        (Some(format!("Bearer {}", unknown.as_str())), "invalid_key"),
    ] {
        let request = match &credentials {
            None => post(),
            Some(credentials) => post().header("authorization", credentials),
        };
        let what = format!("{credentials:?}");
        assert_refused(&what, request.body(event("")), 401, code).await;
    }
    let reader = gateway.key("read", None).await;
    let bound = gateway.key("ingest", Some("other")).await;
    for (key, code) in [(&reader, "missing_scope"), (&bound, "tenant_mismatch")] {
        let request = post().bearer_auth(key).body(event(""));
        assert_refused(code, request, 403, code).await;
    }
}

async fn heads(gateway: &Gateway) {
    let nowhere = gateway.request(Method::POST, "/v1/meter/nothing");
    assert_refused("path", nowhere, 404, "not_found").await;
    let put = gateway
        .request(Method::PUT, "/v1/meter/events")
        .send()
        .await
        .expect("an answer");
    assert_eq!(put.headers()["allow"], "POST");
    assert_eq!(problem("PUT", put).await.1, "method_not_allowed");
    let path = format!("/v1/meter/events?{}", "x".repeat(8 * 1024));
    let request = gateway.request(Method::POST, &path).body(event(""));
    assert_refused("URI", request, 414, "uri_too_long").await;
    let request = gateway
        .post(JSON, event(""))
        .header("x-long", "x".repeat(16 * 1024));
    assert_refused("head", request, 431, "headers_too_large").await;

    let head = |more: &str| {
        let key = &gateway.key;
        format!(
            "POST /v1/meter/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{more}\r\n"
        )
    };
    // These come before there is a request that could be answered with more than a status.
    for (what, text, status) in [
        (
            "lengths",
            head("Content-Length: 5\r\nContent-Length: 6\r\n"),
            400,
        ),
        ("encoding", head("Transfer-Encoding: gzip\r\n"), 400),
        ("length", head("Content-Length: -1\r\n"), 400),
        ("name", head("bad name: x\r\n"), 400),
        ("no HTTP", "nonsense\r\n\r\n".to_owned(), 400),
        (
            "head",
            head(&format!("x: {}", "x".repeat(32 * 1024)))[..32 * 1024].to_owned(),
            431,
        ),
        (
            "URI",
            format!("GET /{}", "x".repeat(32 * 1024))[..32 * 1024].to_owned(),
            431,
        ),
    ] {
        let answer = raw(gateway, &text).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{what}: {answer:?}"
        );
    }
    // Two seconds are the limit here.
    let answer = raw(gateway, &head("Content-Length: 5\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    assert!(answer.contains("\"code\":\"body_timeout\""), "{answer:?}");
    // Whoever reads the other length than meterd does finds no second request behind the body.
    let smuggled = head("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n");
    let answer = raw(
        gateway,
        &format!("{smuggled}0\r\n\r\n{}", head("Content-Length: 0\r\n")),
    )
    .await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer:?}");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
}

/// What comes back until the gateway closes.
async fn raw(gateway: &Gateway, text: &str) -> String {
    let url = gateway.deployment.gateway.url();
    let address = url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // It may close before it has read all.
    let _ = stream.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}
