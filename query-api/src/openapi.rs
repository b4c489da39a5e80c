//! The query server's part of the description of the API: what cannot be read off its types.

use serde_json::{Value, json};
use service_kit::openapi::{AUTHENTICATION, Documented, JSON_BODY, add_problems, add_request_body};
use utoipa::openapi::OpenApi;

use crate::routes;

const EVERY: &[Documented] = &[
    (
        400,
        "invalid_parameter",
        "A parameter is not as it must be; `detail` names it.",
    ),
    (500, "internal", "meterd failed; its log says why."),
    (503, "unavailable", "The database is away. Try again."),
    (
        503,
        "query_timeout",
        "The query takes too long; ask for less.",
    ),
];

const READING: &[Documented] = &[
    (
        400,
        "invalid_receipt",
        "The receipt is not one of this deployment.",
    ),
    (
        503,
        "not_yet_visible",
        "The receipt's events are accepted and not persisted yet. Try again.",
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

const ONE_TENANT: &[Documented] = &[(404, "not_found", "No such tenant has used anything.")];

const ONE_KEY: &[Documented] = &[(
    404,
    "not_found",
    "No key that the caller may see has this id.",
)];

const CHANGED_KEYS: &[Documented] = &[(
    503,
    "unavailable",
    "The change was not distributed to every service. Send it again.",
)];

const NEW_KEY: &[Documented] = &[
    (
        403,
        "tenant_mismatch",
        "The caller is bound to a tenant and makes keys of that one only.",
    ),
    (
        422,
        "invalid_name",
        "`name` is no text of 1 to 128 characters without control characters.",
    ),
    (
        422,
        "invalid_scopes",
        "`scopes` is no array of at least one scope, each once.",
    ),
    (
        422,
        "invalid_identifier",
        "`tenant_id` is no name as in events.",
    ),
    (
        422,
        "invalid_expiry",
        "`expires_at` is no RFC 3339 time with an offset that is yet to come.",
    ),
];

const DELETED_KEY: &[Documented] = &[(
    409,
    "last_admin_key",
    "It is the last key that may manage all keys; create another one first.",
)];

/// The operations of the query server.
pub fn openapi() -> OpenApi {
    let mut document = routes::routes().into_openapi();
    add_request_body(&mut document, "create_key", new_key());
    let operations: [(&str, &[&[Documented]]); 11] = [
        ("list_events", &[READING, PAGE]),
        ("get_event", &[READING, ONE_EVENT]),
        ("follow_events", &[READING]),
        ("list_aggregates", &[READING]),
        ("list_tenants", &[READING, PAGE]),
        ("get_tenant", &[READING, ONE_TENANT]),
        ("list_keys", &[PAGE]),
        ("get_key", &[ONE_KEY]),
        ("create_key", &[CHANGED_KEYS, JSON_BODY, NEW_KEY]),
        ("delete_key", &[CHANGED_KEYS, ONE_KEY, DELETED_KEY]),
        ("list_audit_log", &[PAGE]),
    ];
    for (operation, problems) in operations {
        let problems = [&[AUTHENTICATION, EVERY], problems].concat();
        add_problems(&mut document, operation, &problems);
    }
    document
}

fn new_key() -> Value {
    json!({
        "required": true,
        "content": {"application/json": {"schema": {
            "type": "object",
            "required": ["name", "scopes"],
            "additionalProperties": false,
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 128},
                "scopes": {
                    "type": "array", "minItems": 1, "uniqueItems": true,
                    "items": {"type": "string", "enum": ["ingest", "read", "validate", "admin"]},
                },
                "tenant_id": {
                    "type": ["string", "null"],
                    "description": "The only tenant it may read and write.",
                },
                "expires_at": {"type": ["string", "null"], "format": "date-time"},
            },
        }}},
    })
}
