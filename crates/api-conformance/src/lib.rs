//! For tests: holds what is answered to the description of the API, so that no status, code or
//! member is answered that is not described.

use serde_json::{Value, json};

/// An OpenAPI 3.1 document.
pub struct Description(Value);

/// An answer to a request.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    pub status: u16,
    /// Empty where there is none.
    pub content_type: &'a str,
    pub body: &'a [u8],
}

impl Description {
    pub fn new(document: Value) -> Self {
        Self(document)
    }

    /// Panics where the answer is not described. Paths that are not described have no operation
    /// that could answer.
    pub fn check(&self, answer: Answer<'_>) {
        let Some(operation) = self.operation(answer.method, answer.path) else {
            assert!(
                [404, 405].contains(&answer.status),
                "not described: {answer:?}"
            );
            return;
        };
        let response = &operation["responses"][answer.status.to_string()];
        assert!(response.is_object(), "status not described: {answer:?}");
        let media_type = answer.content_type.split(';').next().unwrap_or_default();
        let Some(content) = response.get("content") else {
            assert!(answer.body.is_empty(), "body not described: {answer:?}");
            return;
        };
        let content = &content[media_type];
        assert!(content.is_object(), "media type not described: {answer:?}");
        if media_type.ends_with("/json") || media_type.ends_with("+json") {
            let body = serde_json::from_slice(answer.body).expect("JSON");
            self.validate(&content["schema"], &body);
        }
    }

    /// Panics where a request's body is not as described.
    pub fn check_request(&self, method: &str, path: &str, media_type: &str, body: &Value) {
        let operation = self.operation(method, path).expect("an operation");
        let content = &operation["requestBody"]["content"][media_type];
        assert!(
            content.is_object(),
            "not described: {method} {path} {media_type}"
        );
        self.validate(&content["schema"], body);
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let paths = self.0["paths"].as_object()?;
        let mut found = paths.iter().filter(|(template, _)| matches(template, path));
        let exact = paths.get(path);
        let item = exact.or_else(|| found.next().map(|(_, item)| item))?;
        item.get(method.to_ascii_lowercase())
    }

    fn validate(&self, schema: &Value, value: &Value) {
        // The references of a schema are to the document's components.
        let schema = json!({"allOf": [schema], "components": self.0["components"]});
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .expect("a schema");
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(other)) if part == other || part.starts_with('{') => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, content_type: &str, body: &str) {
        let description = Description::new(json!({
            "paths": {"/a/{id}": {"get": {"responses": {
                "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}},
                "204": {},
            }}}},
            "components": {"schemas": {"A": {
                "type": "object",
                "required": ["at"],
                "properties": {"at": {"type": "string", "format": "date-time"}},
            }}},
        }));
        description.check(Answer {
            method: "GET",
            path: "/a/7",
            status,
            content_type,
            body: body.as_bytes(),
        });
    }

    #[test]
    fn what_is_described_passes() {
        check(200, "application/json", r#"{"at": "2025-11-20T10:31:00Z"}"#);
        check(204, "", "");
    }

    #[test]
    #[should_panic(expected = "status not described")]
    fn another_status() {
        check(201, "application/json", "{}");
    }

    #[test]
    #[should_panic(expected = "media type not described")]
    fn another_media_type() {
        check(200, "text/plain", "{}");
    }

    #[test]
    #[should_panic(expected = "required property")]
    fn a_missing_member() {
        check(200, "application/json", "{}");
    }

    #[test]
    #[should_panic(expected = "date-time")]
    fn another_format() {
        check(200, "application/json", r#"{"at": "yesterday"}"#);
    }

    #[test]
    #[should_panic(expected = "body not described")]
    fn a_body_where_there_is_none() {
        check(204, "", "{}");
    }
}
