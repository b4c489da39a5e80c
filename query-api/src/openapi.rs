//! The query server's part of the description of the API: what cannot be read off its types.

use serde_json::{Value, json};
use service_kit::openapi::{
    AUTHENTICATION, Documented, JSON_FIELDS, JSON_OBJECT, add_problems, add_request_body,
};
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

const EXPORT: &[Documented] = &[(
    503,
    "too_many_exports",
    "Too many exports are under way. Try again.",
)];

const ONE_LETTER: &[Documented] = &[
    (
        404,
        "not_found",
        "No dead letter that the caller may see has this id.",
    ),
    (
        409,
        "already_resolved",
        "It was replayed or discarded before.",
    ),
];

const REPLAYED: &[Documented] = &[
    (
        403,
        "tenant_mismatch",
        "The caller is bound to another tenant than the event would have.",
    ),
    (
        409,
        "not_replayable",
        "Nothing could be read of it; discard it.",
    ),
    (
        422,
        "invalid_identifier",
        "A name has other characters than it may, or more than 128.",
    ),
    (
        422,
        "invalid_quantity",
        "`quantity` is no integer from 0 to 10^12.",
    ),
    (
        422,
        "invalid_timestamp",
        "`timestamp` is no RFC 3339 time with an offset.",
    ),
    (
        422,
        "timestamp_in_future",
        "The event is more than five minutes ahead.",
    ),
    (
        422,
        "invalid_metadata",
        "The metadata of the dead letter is no object that an event may have.",
    ),
    (
        422,
        "metadata_too_large",
        "The metadata of the dead letter has more than an event's may have.",
    ),
    (
        422,
        "missing_field",
        "The dead letter lacks a field that is not in the request either.",
    ),
    (
        422,
        "invalid_id",
        "The dead letter has no id that it may have.",
    ),
    (
        422,
        "unknown_field",
        "A field cannot be changed, or is none.",
    ),
    (
        503,
        "unavailable",
        "The log is away or did not confirm. Send the same request again; it counts once.",
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

const ROTATED_KEY: &[Documented] = &[(
    422,
    "invalid_overlap",
    "`overlap_seconds` is no whole number from 0 to 7,776,000.",
)];

const DELETED_KEY: &[Documented] = &[(
    409,
    "last_admin_key",
    "It is the last key that may manage all keys; create another one first.",
)];

/// The operations of the query server.
pub fn openapi() -> OpenApi {
    let mut document = routes::routes().into_openapi();
    add_request_body(&mut document, "create_key", new_key());
    add_request_body(&mut document, "rotate_key", overlap());
    add_request_body(&mut document, "replay_dead_letter", changes());
    let operations: [(&str, &[&[Documented]]); 15] = [
        ("list_events", &[READING, PAGE, EXPORT]),
        ("get_event", &[READING, ONE_EVENT]),
        ("follow_events", &[READING]),
        ("list_aggregates", &[READING, EXPORT]),
        ("list_tenants", &[READING, PAGE]),
        ("get_tenant", &[READING, ONE_TENANT]),
        ("list_dead_letters", &[READING, PAGE]),
        (
            "replay_dead_letter",
            &[JSON_OBJECT, JSON_FIELDS, ONE_LETTER, REPLAYED],
        ),
        ("discard_dead_letter", &[ONE_LETTER]),
        ("list_keys", &[PAGE]),
        ("get_key", &[ONE_KEY]),
        (
            "create_key",
            &[CHANGED_KEYS, JSON_OBJECT, JSON_FIELDS, NEW_KEY],
        ),
        (
            "rotate_key",
            &[CHANGED_KEYS, JSON_OBJECT, JSON_FIELDS, ONE_KEY, ROTATED_KEY],
        ),
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

fn overlap() -> Value {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {"overlap_seconds": {
            "type": "integer", "minimum": 0, "maximum": 7_776_000, "default": 86_400,
            "description": "For how long the old key goes on.",
        }},
    });
    json!({"required": true, "content": {"application/json": {"schema": schema}}})
}

fn changes() -> Value {
    let name = json!({"type": "string", "minLength": 1, "maxLength": 128});
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "description": "What the event has instead of what it had.",
        "properties": {
            "tenant_id": name, "resource": name, "feature": name,
            "quantity": {"type": "integer", "minimum": 0, "maximum": 1_000_000_000_000_i64},
            "timestamp": {"type": "string", "format": "date-time"},
        },
    });
    json!({"required": true, "content": {"application/json": {"schema": schema}}})
}
