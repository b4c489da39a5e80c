//! The query server's part of the description of the API: what cannot be read off its types.

use service_kit::openapi::{AUTHENTICATION, Documented, add_problems};
use utoipa::openapi::OpenApi;

use crate::routes;

const READING: &[Documented] = &[
    (
        400,
        "invalid_parameter",
        "A parameter is not as it must be; `detail` names it.",
    ),
    (
        400,
        "invalid_receipt",
        "The receipt is not one of this deployment.",
    ),
    (500, "internal", "meterd failed; its log says why."),
    (503, "unavailable", "The database is away. Try again."),
    (
        503,
        "not_yet_visible",
        "The receipt's events are accepted and not persisted yet. Try again.",
    ),
    (
        503,
        "query_timeout",
        "The query takes too long; ask for less.",
    ),
];

const PAGE: &[Documented] = &[(
    400,
    "invalid_cursor",
    "The cursor is not of this query, or of another tenant's key.",
)];

const ONE_EVENT: &[Documented] = &[
    (
        400,
        "tenant_required",
        "The key is bound to no tenant: name one, since ids are unique within one.",
    ),
    (
        404,
        "not_found",
        "This tenant has no counted event with this id.",
    ),
];

const ONE_TENANT: &[Documented] = &[(
    404,
    "not_found",
    "No such tenant has used anything.",
)];

/// The operations of the query server.
pub fn openapi() -> OpenApi {
    let mut document = routes::routes().into_openapi();
    for (operation, problems) in [
        ("list_events", PAGE),
        ("get_event", ONE_EVENT),
        ("follow_events", &[]),
        ("list_aggregates", &[]),
        ("list_tenants", PAGE),
        ("get_tenant", ONE_TENANT),
    ] {
        let problems = [AUTHENTICATION, READING, problems];
        add_problems(&mut document, operation, &problems);
    }
    document
}
