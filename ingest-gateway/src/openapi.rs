//! The gateway's part of the description of the API: what cannot be read off its types.

use serde_json::{Value, json};
use service_kit::openapi::{
    AUTHENTICATION, Documented, add_problems, add_request_body, add_schema,
};
use utoipa::openapi::OpenApi;

use crate::routes;

/// What events may be refused for, each with its own code.
const EVENT_PROBLEMS: &[Documented] = &[
    (400, "invalid_shape", "An event is no object."),
    (
        422,
        "invalid_cloudevent",
        "A CloudEvent lacks an attribute, or has one that is not as it must be.",
    ),
    (400, "duplicate_field", "A field is there twice."),
    (
        422,
        "unknown_field",
        "A field has a name that events do not have.",
    ),
    (
        422,
        "missing_field",
        "`tenant_id`, `resource` or `feature` is missing.",
    ),
    (422, "invalid_id", "`id` is no UUID, or the nil one."),
    (
        422,
        "id_conflict",
        "The request has two different events with this id; both are refused.",
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
        "timestamp_too_old",
        "The event is older than this installation accepts.",
    ),
    (
        422,
        "timestamp_in_future",
        "The event is more than five minutes ahead.",
    ),
    (
        422,
        "invalid_metadata",
        "`metadata` is no JSON object that can be kept exactly.",
    ),
    (
        422,
        "metadata_too_large",
        "More than 8 KiB or 64 keys of metadata.",
    ),
];

const REQUEST_PROBLEMS: &[Documented] = &[
    (
        400,
        "invalid_parameter",
        "A parameter or `Idempotency-Key` is not as it must be.",
    ),
    (400, "body_incomplete", "The body ended too early."),
    (400, "empty_body", "There is no body."),
    (400, "invalid_json", "The body is not JSON."),
    (
        400,
        "invalid_encoding",
        "The body is not what its Content-Encoding says, or ends too early.",
    ),
    (
        400,
        "too_deep",
        "The JSON is nested more than 32 levels deep.",
    ),
    (
        403,
        "tenant_mismatch",
        "The key is bound to another tenant; nothing was accepted.",
    ),
    (408, "body_timeout", "The body did not arrive in time."),
    (413, "body_too_large", "Send smaller batches."),
    (413, "batch_too_large", "Send fewer events at once."),
    (
        415,
        "unsupported_media_type",
        "The Content-Type is not one of those below.",
    ),
    (
        415,
        "unsupported_encoding",
        "The Content-Encoding is not understood.",
    ),
    (422, "empty_batch", "There is no event in the batch."),
    (
        429,
        "rate_limited",
        "The key's events a second are used up; Retry-After says when there are more.",
    ),
    (
        422,
        "all_rejected",
        "No event was accepted; `errors` has each.",
    ),
    (
        422,
        "not_atomic",
        "The batch is atomic and `errors` were found; nothing was accepted.",
    ),
    (
        503,
        "unavailable",
        "The log takes no events now, or drains. Send the same ids again.",
    ),
];

/// The operations of the gateway.
pub fn openapi() -> OpenApi {
    let mut document = routes::events::routes().into_openapi();
    add_schema(&mut document, "NewEvent", new_event());
    add_schema(&mut document, "CloudEvent", cloud_event());
    add_request_body(&mut document, "ingest_events", request_body());
    let problems = [AUTHENTICATION, REQUEST_PROBLEMS, EVENT_PROBLEMS];
    add_problems(&mut document, "ingest_events", &problems);
    document
}

fn new_event() -> Value {
    let name = |what: &str| {
        json!({
            "type": "string",
            "description": what,
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@/|+=~%-]{0,127}$",
        })
    };
    json!({
        "type": "object",
        "required": ["tenant_id", "resource", "feature"],
        "additionalProperties": false,
        "properties": {
            "id": {
                "type": "string", "format": "uuid",
                "description": "Unique within the tenant: sent again, it counts once. Without one, \
                                the server makes one, and a retry would be another event.",
            },
            "tenant_id": name("Who used."),
            "resource": name("What was used."),
            "feature": name("Which part of it."),
            "quantity": {
                "type": "integer", "minimum": 0, "maximum": 1_000_000_000_000_i64, "default": 1,
                "description": "Units.",
            },
            "timestamp": {
                "type": "string", "format": "date-time",
                "description": "When; at most five minutes ahead. Without one, when it arrived.",
            },
            "metadata": {
                "type": "object", "maxProperties": 64, "default": {},
                "description": "Kept as it is, at most 8 KiB.",
            },
        },
    })
}

fn cloud_event() -> Value {
    json!({
        "type": "object",
        "description": "CloudEvents 1.0.",
        "required": ["specversion", "id", "source", "type", "subject"],
        "properties": {
            "specversion": {"type": "string", "pattern": "^1\\.0$"},
            "id": {"type": "string", "description": "The event's; one that is no UUID makes one, with `source`."},
            "source": {"type": "string"},
            "type": {"type": "string", "description": "The resource."},
            "subject": {"type": "string", "description": "The tenant."},
            "time": {"type": "string", "format": "date-time"},
            "data": {
                "type": "object",
                "description": "Members other than these two are metadata.",
                "properties": {
                    "feature": {"type": "string", "description": "`type`, unless said."},
                    "quantity": {"type": "integer", "minimum": 0, "default": 1},
                },
            },
        },
    })
}

fn request_body() -> Value {
    let event = json!({"$ref": "#/components/schemas/NewEvent"});
    let events = json!({"type": "array", "items": event, "minItems": 1});
    let wrapped = json!({
        "type": "object",
        "required": ["events"],
        "additionalProperties": false,
        "properties": {"events": events},
    });
    let cloud_event = json!({"$ref": "#/components/schemas/CloudEvent"});
    json!({
        "required": true,
        "description": "At most 8 MiB (32 MiB decompressed) and 10,000 events, unless this \
                        installation says otherwise; `Content-Encoding: gzip` or `zstd`. A \
                        CloudEvent may also come in binary mode, with `ce-` headers.",
        "content": {
            "application/json": {"schema": {"oneOf": [event, events, wrapped]}},
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "description": "An event a line; a bad line is refused by itself.",
            },
            "application/cloudevents+json": {"schema": cloud_event},
            "application/cloudevents-batch+json": {
                "schema": {"type": "array", "items": cloud_event, "minItems": 1},
            },
        },
    })
}
