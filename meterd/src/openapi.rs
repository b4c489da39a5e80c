//! The description of the whole API, at `/openapi.json`, and pages to read it, at `/docs`.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use service_kit::openapi::{Example, add_examples, base};
use service_kit::problem;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

/// The pages are whole: nothing is loaded from elsewhere, and nothing in the description can run.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
                              style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                              base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

macro_rules! examples {
    ($($operation:literal),+ $(,)?) => {
        [$(Example {
            operation: $operation,
            shell: include_str!(concat!("../../docs/examples/", $operation, ".sh")),
            python: include_str!(concat!("../../docs/examples/", $operation, ".py")),
        }),+]
    };
}

/// A test runs each of them.
const EXAMPLES: &[Example] = &examples![
    "ingest_events",
    "list_events",
    "get_event",
    "follow_events",
    "list_aggregates",
    "list_tenants",
    "get_tenant",
    "list_dead_letters",
    "replay_dead_letter",
    "discard_dead_letter",
    "validate_usage",
    "commit_reservation",
    "release_reservation",
    "list_quotas",
    "put_quota",
    "get_quota",
    "delete_quota",
    "get_decision",
    "list_alerts",
    "list_keys",
    "create_key",
    "get_key",
    "delete_key",
    "rotate_key",
    "list_audit_log",
    "get_health",
    "get_readiness",
    "get_metrics",
];

/// The operations of all services.
pub(crate) fn document() -> OpenApi {
    let mut document = base();
    document.merge(ingest_gateway::openapi());
    document.merge(query_api::openapi());
    document.merge(quota_service::openapi());
    document.merge(service_kit::health::openapi());
    document.merge(service_kit::metrics::openapi());
    add_examples(&mut document, EXAMPLES);
    document
}

/// As `docs/openapi.json` has it.
pub(crate) fn text() -> String {
    let mut text = document().to_pretty_json().expect("a description is JSON");
    text.push('\n');
    text
}

/// `/openapi.json` and `/docs/`; they need no key.
pub(crate) fn router() -> Router {
    let text: Arc<str> = text().into();
    let json = [(header::CONTENT_TYPE, "application/json")];
    Router::new()
        .route(
            "/openapi.json",
            get(move || async move { (json, text.to_string()) }),
        )
        .route("/docs", get(|| async { Redirect::permanent("/docs/") }))
        .route("/docs/", get(|| page(Path(String::new()))))
        .route("/docs/{*file}", get(page))
}

async fn page(Path(file): Path<String>) -> Response {
    let config = Config::from("/openapi.json").try_it_out_enabled(true);
    let found = utoipa_swagger_ui::serve(&file, Arc::new(config))
        .inspect_err(|error| tracing::error!(%error, "cannot make a page of the documentation"));
    let Some(file) = found.ok().flatten() else {
        return problem::not_found().await.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, file.content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY.to_owned()),
    ];
    (headers, file.bytes.into_owned()).into_response()
}
