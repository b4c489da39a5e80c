//! Metadata values that are not to be kept.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::members::{self, Members};
use crate::signed::SigningKey;

/// Replaces the values of some members by a keyed hash: equal values stay equal, and who has no key
/// cannot try out values until one fits.
#[derive(Clone)]
pub struct Redaction {
    names: HashSet<String>,
    key: SigningKey,
}

impl Redaction {
    /// For members of these names, wherever in the metadata they are. The key derives from the
    /// deployment's `secret`.
    pub fn new(names: impl IntoIterator<Item = String>, secret: &str) -> Self {
        Self {
            names: names.into_iter().filter(|name| !name.is_empty()).collect(),
            key: SigningKey::derive(secret, "metadata redaction"),
        }
    }

    /// `metadata`, which has passed [`crate::metadata::check`], with its values replaced. Other
    /// values stay as they are written.
    pub fn apply<'m>(&self, metadata: &'m str) -> Cow<'m, str> {
        if self.names.is_empty() {
            return Cow::Borrowed(metadata);
        }
        self.value(metadata)
    }

    fn value<'m>(&self, json: &'m str) -> Cow<'m, str> {
        match json.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(json).expect(CHECKED);
                let members = members.into_iter().map(|(name, value)| {
                    let redacted = self.names.contains(name.as_ref());
                    let value = if redacted {
                        Cow::Owned(self.hash(value.get()))
                    } else {
                        self.value(value.get())
                    };
                    (name, value)
                });
                Cow::Owned(members::object(members))
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(json).expect(CHECKED);
                let items: Vec<_> = items.iter().map(|item| self.value(item.get())).collect();
                Cow::Owned(format!("[{}]", items.join(",")))
            }
            _ => Cow::Borrowed(json),
        }
    }

    /// Of the value, not of the way it is written: `"\u0061"` is `"a"`, and `{"b":1}` is `{ "b": 1 }`.
    fn hash(&self, json: &str) -> String {
        let value: Value = serde_json::from_str(json).expect(CHECKED);
        format!(
            "\"redacted:{}\"",
            self.key.tag(value.to_string().as_bytes())
        )
    }
}

const CHECKED: &str = "metadata is checked before it is redacted";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata;
    use proptest::prelude::*;

    fn redaction() -> Redaction {
        Redaction::new(["email".to_owned(), "ssn".to_owned()], "secret")
    }

    #[test]
    fn values_go_and_their_equality_stays() {
        let metadata = r#"{"n": 1.10, "email":"a@b.c", "deep":[{"ssn":{"x": 1}},"email"],
                           "other":{"email":"\u0061@b.c","ssn":{"x":1}}}"#;
        let redacted = redaction().apply(metadata).into_owned();
        let tag = redacted.split('"').nth(5).unwrap();
        assert!(
            tag.starts_with("redacted:") && tag.len() == 31,
            "{redacted}"
        );
        assert_eq!(redacted.matches(tag).count(), 2, "{redacted}");
        assert!(
            redacted.starts_with(r#"{"n":1.10,"email":"redacted:"#),
            "{redacted}"
        );
        let value: Value = serde_json::from_str(&redacted).unwrap();
        assert_eq!(value["deep"][0]["ssn"], value["other"]["ssn"]);
        assert_eq!(value["deep"][1], "email");
        assert!(!redacted.contains("@b.c"));
        // Another deployment's hashes are others.
        let other = Redaction::new(["email".to_owned()], "other");
        assert!(!other.apply(metadata).contains(tag));
        let off = Redaction::new([String::new()], "secret");
        assert_eq!(off.apply(metadata), metadata);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            // Eighths survive a parser that is off in the last digit.
            any::<i16>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
            "[a-z\"\\\\]{0,5}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                object(inner),
            ]
        })
    }

    fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
        let name = prop_oneof![Just("email".to_owned()), "[a-z\"]{0,3}"];
        proptest::collection::btree_map(name, value, 0..4)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    }

    /// The rule in the plainest words.
    fn expected(redaction: &Redaction, value: &Value) -> Value {
        match value {
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| {
                    let value = if redaction.names.contains(name) {
                        serde_json::from_str(&redaction.hash(&value.to_string())).unwrap()
                    } else {
                        expected(redaction, value)
                    };
                    (name.clone(), value)
                })
                .collect(),
            Value::Array(items) => items.iter().map(|item| expected(redaction, item)).collect(),
            leaf => leaf.clone(),
        }
    }

    proptest! {
        #[test]
        fn nothing_else_changes(metadata in object(json())) {
            let text = metadata.to_string();
            prop_assume!(metadata::check(&text).is_ok());
            let redacted: Value = serde_json::from_str(&redaction().apply(&text)).unwrap();
            prop_assert_eq!(redacted, expected(&redaction(), &metadata));
        }
    }
}
