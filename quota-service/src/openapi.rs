//! The quota service's part of the description of the API: what cannot be read off its types.

use serde_json::{Value, json};
use service_kit::openapi::{
    AUTHENTICATION, Documented, JSON_OBJECT, add_problems, add_request_body,
};
use utoipa::openapi::OpenApi;

use crate::routes;

const EVERY: &[Documented] = &[
    (
        503,
        "unavailable",
        "The log or the database is away. Try again.",
    ),
    (
        503,
        "decision_unknown",
        "The log is not folded far enough to be exact. Send the same id again.",
    ),
];

const FIELDS: &[Documented] = &[
    (
        422,
        "invalid_identifier",
        "A name has other characters than it may, or more than 128.",
    ),
    (
        422,
        "invalid_quantity",
        "`quantity` is no integer that it may be.",
    ),
    (
        422,
        "unknown_field",
        "A field has a name that is not known here.",
    ),
];

const TENANT: &[Documented] = &[
    (
        400,
        "tenant_required",
        "The key is bound to no tenant: name one.",
    ),
    (
        403,
        "tenant_mismatch",
        "The key is bound to another tenant.",
    ),
];

const VALIDATE: &[Documented] = &[
    (
        409,
        "id_conflict",
        "The id was used with another quantity or feature; use a new one.",
    ),
    (
        409,
        "reservation_expired",
        "The reservation with this id has ended; use a new id.",
    ),
    (422, "missing_field", "`feature` is missing."),
    (
        422,
        "invalid_mode",
        "`mode` is not check, consume or reserve, or `ttl_seconds` does not belong to it.",
    ),
    (
        422,
        "invalid_ttl",
        "`ttl_seconds` is no integer from 1 to 86,400.",
    ),
    (422, "invalid_id", "`id` is no UUID, or the nil one."),
];

const RESOLVE: &[Documented] = &[
    (404, "not_found", "The tenant has no such reservation."),
    (409, "id_conflict", "It was resolved in another way before."),
    (
        409,
        "reservation_expired",
        "Its time is over and its units are free again.",
    ),
    (
        422,
        "invalid_shape",
        "`overshoot` is neither true nor false.",
    ),
    (
        422,
        "exceeds_hold",
        "More than it holds; `held` says how many.",
    ),
];

const ID: &[Documented] = &[(422, "invalid_id", "The id is no UUID, or the nil one.")];

const QUOTA: &[Documented] = &[(
    404,
    "not_found",
    "No quota that the caller may see has this id.",
)];

const CHANGE: &[Documented] = &[(
    403,
    "tenant_mismatch",
    "The key is bound to another tenant.",
)];

const PUT: &[Documented] = &[
    (
        422,
        "invalid_shape",
        "The body is no JSON object with the fields below, each once.",
    ),
    (
        422,
        "invalid_identifier",
        "A name has other characters than it may, or more than 128.",
    ),
    (
        422,
        "invalid_limit",
        "`limit` is no integer from 0 to 2^53.",
    ),
    (422, "invalid_period", "`period` or `anchor` is none."),
    (422, "invalid_timezone", "`timezone` is no IANA zone."),
    (
        422,
        "invalid_mode",
        "`enforcement` is not hard, soft or shadow.",
    ),
    (
        422,
        "invalid_threshold",
        "`alert_threshold` is no integer from 1 to 100.",
    ),
];

const DECISION: &[Documented] = &[(404, "not_found", "No decision of the tenant has this id.")];

const QUERY: &[Documented] = &[(
    400,
    "invalid_parameter",
    "A parameter is not as it must be.",
)];

/// The operations of the quota service.
pub fn openapi() -> OpenApi {
    let mut document = routes::routes().into_openapi();
    add_request_body(&mut document, "validate_usage", asked());
    add_request_body(&mut document, "commit_reservation", committed());
    add_request_body(&mut document, "release_reservation", released());
    add_request_body(&mut document, "put_quota", quota());
    let operations: [(&str, &[&[Documented]]); 9] = [
        ("validate_usage", &[JSON_OBJECT, FIELDS, TENANT, VALIDATE]),
        (
            "commit_reservation",
            &[JSON_OBJECT, FIELDS, TENANT, ID, RESOLVE],
        ),
        (
            "release_reservation",
            &[JSON_OBJECT, FIELDS, TENANT, ID, RESOLVE],
        ),
        ("list_quotas", &[]),
        ("get_quota", &[ID, QUOTA]),
        ("put_quota", &[JSON_OBJECT, CHANGE, PUT]),
        ("delete_quota", &[ID, CHANGE, QUOTA]),
        ("get_decision", &[QUERY, TENANT, ID, DECISION]),
        ("list_alerts", &[QUERY]),
    ];
    for (operation, problems) in operations {
        let problems = [&[AUTHENTICATION, EVERY], problems].concat();
        add_problems(&mut document, operation, &problems);
    }
    document
}

fn body(required: bool, schema: &Value) -> Value {
    json!({"required": required, "content": {"application/json": {"schema": schema}}})
}

fn tenant() -> Value {
    json!({
        "type": "string", "maxLength": 128,
        "description": "A key that is bound to a tenant need not name it.",
    })
}

fn asked() -> Value {
    body(
        true,
        &json!({
            "type": "object",
            "required": ["feature"],
            "additionalProperties": false,
            "properties": {
                "tenant_id": tenant(),
                "feature": {"type": "string", "maxLength": 128},
                "resource": {
                    "type": "string", "maxLength": 128,
                    "description": "Without one, quotas of one resource do not count it.",
                },
                "quantity": {"type": "integer", "minimum": 1, "maximum": 1_000_000_000_000_i64, "default": 1},
                "mode": {"type": "string", "enum": ["check", "consume", "reserve"], "default": "check"},
                "id": {
                    "type": "string", "format": "uuid",
                    "description": "Of this request and its retries; for `consume`, of the event that it is.",
                },
                "ttl_seconds": {
                    "type": "integer", "minimum": 1, "maximum": 86_400, "default": 300,
                    "description": "Of a reservation.",
                },
            },
        }),
    )
}

fn committed() -> Value {
    body(
        false,
        &json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "tenant_id": tenant(),
                "quantity": {"type": "integer", "minimum": 0, "maximum": 1_000_000_000_000_i64},
                "overshoot": {"type": "boolean", "default": false},
            },
        }),
    )
}

fn released() -> Value {
    body(
        false,
        &json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {"tenant_id": tenant()},
        }),
    )
}

fn quota() -> Value {
    body(
        true,
        &json!({
            "type": "object",
            "required": ["tenant_id", "feature", "limit", "period"],
            "additionalProperties": false,
            "properties": {
                "tenant_id": {"type": "string", "description": "`*`: of every tenant, each counted for itself."},
                "feature": {"type": "string", "description": "`*`: every feature, each counted for itself."},
                "resource": {"type": ["string", "null"], "description": "Count this resource only."},
                "name": {"type": ["string", "null"], "description": "Of quotas with one name the most specific one holds; `period` unless said."},
                "limit": {"type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_992_i64},
                "period": {"type": "string", "enum": ["minutely", "hourly", "daily", "weekly", "monthly", "yearly", "lifetime"]},
                "timezone": {"type": ["string", "null"], "default": "UTC", "description": "IANA."},
                "anchor": {"type": ["string", "null"], "format": "date", "description": "A day on which a weekly, monthly or yearly period begins."},
                "enforcement": {"type": ["string", "null"], "enum": ["hard", "soft", "shadow", null], "default": "hard"},
                "alert_threshold": {"type": ["integer", "null"], "minimum": 1, "maximum": 100},
            },
        }),
    )
}
