//! The dashboard: the files that `make build` leaves in `web/dist`, served from the binary.

use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::any;
use bytes::Bytes;
use rust_embed::{EmbeddedFile, RustEmbed};
use service_kit::problem;

#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[exclude = ".gitignore"]
struct Dist;

/// Its pages are all this file; which one it shows is the browser's business.
const INDEX: &str = "index.html";

/// Radix, sonner and recharts set inline styles; nothing else comes from elsewhere or runs inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Everything below `assets` has its hash in its name.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_FIRST: &str = "no-cache";

const NOT_BUILT: &str = "<!doctype html><title>meterd</title><p>This meterd was built without its dashboard. <code>make build</code> builds both. The API is at <code>/v1/meter</code>.";

/// Serves whatever no other route takes.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", any(serve))
        .route("/{*path}", any(serve))
}

async fn serve(request: Request) -> Response<Body> {
    let (path, headers) = (request.uri().path(), request.headers());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return problem::not_found().await.into_response();
    }
    let path = path.trim_start_matches('/');
    if path != INDEX
        && Path::new(path)
            .extension()
            .is_none_or(|extension| extension != "gz")
        && Dist::get(path).is_some()
    {
        return file(path, headers);
    }
    // Programs that mistype an endpoint get an error, not a page.
    if path.starts_with("v1/") || !accepts(headers, header::ACCEPT, "text/html") {
        return problem::not_found().await.into_response();
    }
    if Dist::get(INDEX).is_none() {
        return (StatusCode::NOT_FOUND, Html(NOT_BUILT)).into_response();
    }
    file(INDEX, headers)
}

fn accepts(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|choice| {
            let mut parts = choice.split(';').map(str::trim);
            let refused = |parameter: &str| {
                parameter
                    .strip_prefix("q=")
                    .is_some_and(|q| q.parse() == Ok(0.0))
            };
            parts.next() == Some(wanted) && !parts.any(refused)
        })
}

/// The file at `path`, compressed where the client takes that and it was worth it; 304 where the
/// client has it.
fn file(path: &str, headers: &HeaderMap) -> Response<Body> {
    let packed = accepts(headers, header::ACCEPT_ENCODING, "gzip")
        .then(|| Dist::get(&format!("{path}.gz")))
        .flatten();
    let is_packed = packed.is_some();
    let Some(file) = packed.or_else(|| Dist::get(path)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let etag = etag(&file);
    let mut answer = if headers.get(header::IF_NONE_MATCH) == Some(&etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let data = match file.data {
            std::borrow::Cow::Borrowed(data) => Bytes::from_static(data),
            std::borrow::Cow::Owned(data) => Bytes::from(data),
        };
        Body::from(data).into_response()
    };
    let caching = if path.starts_with("assets/") {
        FOR_EVER
    } else {
        ASK_FIRST
    };
    let out = answer.headers_mut();
    out.insert(header::ETAG, etag);
    let fixed = [
        (header::CONTENT_TYPE, content_type(path)),
        (header::CACHE_CONTROL, caching),
        (header::VARY, "Accept, Accept-Encoding"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Its addresses name tenants.
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        out.insert(name, HeaderValue::from_static(value));
    }
    if is_packed {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

fn etag(file: &EmbeddedFile) -> HeaderValue {
    let hash = file.metadata.sha256_hash();
    let hash = u128::from_be_bytes(hash.first_chunk().copied().unwrap_or_default());
    HeaderValue::from_str(&format!("\"{hash:032x}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Of the kinds of file that a build leaves.
fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts_gzip(value: &'static str) -> bool {
        let headers = [(header::ACCEPT_ENCODING, HeaderValue::from_static(value))];
        accepts(
            &headers.into_iter().collect(),
            header::ACCEPT_ENCODING,
            "gzip",
        )
    }

    #[test]
    fn what_a_client_takes() {
        for value in ["gzip", "br, gzip;q=0.5", "deflate,gzip ; q=1"] {
            assert!(accepts_gzip(value), "{value}");
        }
        for value in ["", "br", "gzip;q=0", "gzip; q=0.0", "gzipped"] {
            assert!(!accepts_gzip(value), "{value}");
        }
        assert!(!accepts(&HeaderMap::new(), header::ACCEPT, "text/html"));
    }
}
