//! The description of the API (OpenAPI 3.1), made from the code that serves it: what the services'
//! own descriptions have in common.

use serde_json::{Value, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::{OpenApi, RefOr, Response, Schema};

use crate::VERSION;

/// A problem that an operation may be answered with: status, code, and what it means.
pub type Documented = (u16, &'static str, &'static str);

/// Of every operation that needs a key.
pub const AUTHENTICATION: &[Documented] = &[
    (
        401,
        "unauthenticated",
        "The request has no API key, or not in one of the two headers.",
    ),
    (
        401,
        "invalid_key",
        "The key is mistyped, unknown, expired or deleted.",
    ),
    (
        403,
        "missing_scope",
        "The key lacks the scope that this operation needs.",
    ),
    (
        503,
        "unavailable",
        "Keys cannot be checked right now. Try again.",
    ),
];

/// Of every operation that is sent a small JSON object, [`crate::fields`].
pub const JSON_OBJECT: &[Documented] = &[
    (400, "empty_body", "There is no body."),
    (400, "invalid_json", "The body is not JSON."),
    (400, "invalid_shape", "The body is no JSON object."),
    (400, "duplicate_field", "A field is there twice."),
    (408, "body_timeout", "The body did not arrive in time."),
    (
        413,
        "body_too_large",
        "The body is not whole, or has more than 16 KiB.",
    ),
];

/// Of those that take [`crate::fields::Fields`] as it is.
pub const JSON_FIELDS: &[Documented] = &[
    (
        415,
        "unsupported_media_type",
        "The Content-Type is not `application/json`.",
    ),
    (
        415,
        "unsupported_encoding",
        "The body has a Content-Encoding.",
    ),
    (422, "missing_field", "A field that is needed is missing."),
    (
        422,
        "unknown_field",
        "A field has a name that is not known here.",
    ),
];

/// An operation's examples, each a whole program.
pub struct Example {
    pub operation: &'static str,
    pub shell: &'static str,
    pub python: &'static str,
}

/// What the descriptions of the services are added to.
pub fn base() -> OpenApi {
    let base = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "meterd",
            "version": VERSION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "paths": {},
        "security": [{"bearer": []}, {"header": []}],
        "components": {
            "schemas": {"Problem": problem_schema()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    });
    serde_json::from_value(base).expect("a description")
}

const DESCRIPTION: &str = "\
Usage metering. Every operation below `/v1` needs an API key with the scope it names; `admin` has all.

Every answer has `X-Request-Id`, which the log knows; a `traceparent` (W3C) is taken and answered. \
Problems are RFC 9457 `application/problem+json`: `code` never changes its meaning, `detail` says \
what to do. After a 503, and whenever an answer is lost, the same request may be sent again. \
Besides what each operation lists: 404 `not_found` for another path, 405 `method_not_allowed` with \
`Allow`, 414 `uri_too_long` for a path and query of more than 8 KiB, 431 `headers_too_large` for \
headers of more than 16 KiB, unless this installation says otherwise.";

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457.",
        "required": ["status", "title", "detail", "code"],
        "properties": {
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "title": {"type": "string", "description": "The status in words."},
            "detail": {"type": "string", "description": "For a person: what to do."},
            "code": {"type": "string", "description": "For a program: stable."},
        },
    })
}

/// Adds problems to an operation, a response for each status that lists its codes.
pub fn add_problems(document: &mut OpenApi, operation: &str, problems: &[&[Documented]]) {
    let problems: Vec<Documented> = problems.iter().copied().flatten().copied().collect();
    let operation = find(document, operation);
    for (status, ..) in &problems {
        let same = problems.iter().filter(|(other, ..)| other == status);
        let mut codes = Vec::new();
        let mut lines = Vec::new();
        for (_, code, meaning) in same {
            if !codes.contains(code) {
                codes.push(code);
            }
            lines.push(format!("- `{code}`: {meaning}"));
        }
        let mut response = json!({
            "description": lines.join("\n"),
            "content": {"application/problem+json": {"schema": {"allOf": [
                {"$ref": "#/components/schemas/Problem"},
                {"type": "object", "properties": {"code": {"type": "string", "enum": codes}}},
            ]}}},
        });
        if matches!(status, 429 | 503) {
            response["headers"] = json!({"Retry-After": {
                "description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1},
            }});
        }
        let response: Response = serde_json::from_value(response).expect("a response");
        let responses = &mut operation.responses.responses;
        responses.insert(status.to_string(), RefOr::T(response));
    }
}

/// Adds a schema to the components.
pub fn add_schema(document: &mut OpenApi, name: &str, schema: Value) {
    let schema: RefOr<Schema> = serde_json::from_value(schema).expect("a schema");
    let components = document.components.get_or_insert_default();
    components.schemas.insert(name.to_owned(), schema);
}

/// Sets what an operation is sent.
pub fn add_request_body(document: &mut OpenApi, operation: &str, body: Value) {
    let body: RequestBody = serde_json::from_value(body).expect("a request's body");
    find(document, operation).request_body = Some(RefOr::T(body));
}

/// An integer of any size.
pub fn integer() -> RefOr<Schema> {
    serde_json::from_value(json!({"type": "integer"})).expect("a schema")
}

/// Adds examples to their operations: as `x-codeSamples` for tools, and to the description for
/// whoever reads `/docs`.
pub fn add_examples(document: &mut OpenApi, examples: &[Example]) {
    for example in examples {
        let operation = find(document, example.operation);
        let (shell, python) = (example.shell.trim_end(), example.python.trim_end());
        let description = operation.description.take().unwrap_or_default();
        operation.description = Some(format!(
            "{description}\n\nWith curl:\n\n```sh\n{shell}\n```\n\nIn Python:\n\n```python\n{python}\n```"
        ));
        let samples = json!([
            {"lang": "Shell", "label": "curl", "source": shell},
            {"lang": "Python", "label": "Python", "source": python},
        ]);
        operation.extensions = Some(Extensions::from_iter([("x-codeSamples", samples)]));
    }
}

fn find<'d>(document: &'d mut OpenApi, id: &str) -> &'d mut Operation {
    let operations = document.paths.paths.values_mut().flat_map(operations);
    let mut found = operations.filter(|o| o.operation_id.as_deref() == Some(id));
    found
        .next()
        .unwrap_or_else(|| panic!("there is no operation {id}"))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.patch,
        &mut item.delete,
    ];
    all.into_iter().flatten()
}
