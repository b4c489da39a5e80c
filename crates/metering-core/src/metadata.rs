//! What metadata may hold: a bounded JSON object that Postgres' jsonb stores without surprises.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::code::{Code, Refusal};
use crate::limits::{MAX_METADATA_BYTES, MAX_METADATA_DEPTH, MAX_METADATA_KEYS};

/// Integers up to 2^53 survive every JSON parser; beyond it many round silently.
const MAX_INTEGER: u64 = 1 << 53;
const MAX_NUMBER: f64 = 9_007_199_254_740_992.0;
/// Beyond it, jsonb spells a number like `1e131071` out in digits.
const MAX_EXPONENT: u32 = 308;

/// Checks `raw`, the text of one JSON value.
///
/// Errors: `invalid_metadata` (no object, NUL, duplicate keys, too deep, a number beyond ±2^53 or
/// with an exponent beyond ±308), `metadata_too_large` (bytes or keys), `invalid_json` (a lone
/// surrogate).
pub fn check(raw: &str) -> Result<(), Refusal> {
    if !raw.starts_with('{') {
        return Err(invalid("metadata must be a JSON object"));
    }
    if raw.len() > MAX_METADATA_BYTES {
        let detail = format!(
            "metadata has {} bytes; at most {MAX_METADATA_BYTES} are allowed",
            raw.len()
        );
        return Err(Refusal::new(Code::MetadataTooLarge, detail));
    }
    check_numbers(raw.as_bytes())?;
    let mut walk = Walk {
        keys: 0,
        found: None,
    };
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    match (Level {
        walk: &mut walk,
        depth: 0,
    })
    .deserialize(&mut deserializer)
    {
        Ok(()) => Ok(()),
        Err(error) => Err(walk
            .found
            .unwrap_or_else(|| Refusal::new(Code::InvalidJson, format!("metadata: {error}")))),
    }
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidMetadata, detail)
}

/// Numbers are judged by their text: a parser's f64 no longer shows how they were written.
fn check_numbers(json: &[u8]) -> Result<(), Refusal> {
    let mut i = 0;
    while i < json.len() {
        match json[i] {
            b'"' => {
                i += 1;
                while i < json.len() && json[i] != b'"' {
                    i += if json[i] == b'\\' { 2 } else { 1 };
                }
                i += 1;
            }
            b'0'..=b'9' | b'-' => {
                let start = i;
                while i < json.len()
                    && matches!(json[i], b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
                {
                    i += 1;
                }
                check_number(&json[start..i])?;
            }
            _ => i += 1,
        }
    }
    Ok(())
}

fn check_number(number: &[u8]) -> Result<(), Refusal> {
    let text = String::from_utf8_lossy(number);
    let exponent = text.split_once(['e', 'E']).map_or(Ok(0), |(_, e)| {
        e.trim_start_matches(['+', '-']).parse::<u32>()
    });
    if exponent.is_err() || exponent.is_ok_and(|e| e > MAX_EXPONENT) {
        return Err(invalid(format!(
            "metadata has a number with an exponent beyond ±{MAX_EXPONENT}"
        )));
    }
    // Integers first: 2^53 + 1 as an f64 is 2^53.
    let fits = match text.parse::<i64>() {
        Ok(integer) => integer.unsigned_abs() <= MAX_INTEGER,
        Err(_) => text
            .parse::<f64>()
            .is_ok_and(|value| value.abs() <= MAX_NUMBER),
    };
    if fits {
        Ok(())
    } else {
        Err(invalid(
            "metadata has a number beyond ±2^53; send it as a string",
        ))
    }
}

struct Walk {
    keys: usize,
    found: Option<Refusal>,
}

impl Walk {
    fn refuse<E: serde::de::Error>(&mut self, refusal: Refusal) -> E {
        self.found = Some(refusal);
        E::custom("refused")
    }
}

/// One nesting level of the walk; objects and arrays both nest.
struct Level<'w> {
    walk: &'w mut Walk,
    depth: usize,
}

impl Level<'_> {
    fn text<E: serde::de::Error>(&mut self, text: &str) -> Result<(), E> {
        if text.contains('\0') {
            return Err(self.walk.refuse(invalid(
                "metadata has a NUL character (\\u0000), which no database stores",
            )));
        }
        Ok(())
    }

    fn deeper<E: serde::de::Error>(&mut self) -> Result<Level<'_>, E> {
        if self.depth >= MAX_METADATA_DEPTH {
            return Err(self.walk.refuse(invalid(format!(
                "metadata nests deeper than {MAX_METADATA_DEPTH}"
            ))));
        }
        Ok(Level {
            walk: self.walk,
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: serde::de::Error>(mut self, text: &str) -> Result<(), E> {
        self.text(text)
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let mut level = self.deeper()?;
        while items
            .next_element_seed(Level {
                walk: level.walk,
                depth: level.depth,
            })?
            .is_some()
        {
            level = Level {
                walk: level.walk,
                depth: level.depth,
            };
        }
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let mut level = self.deeper()?;
        let mut names = HashSet::new();
        while let Some(name) = entries.next_key::<String>()? {
            level.text(&name)?;
            level.walk.keys += 1;
            if level.walk.keys > MAX_METADATA_KEYS {
                let detail = format!("metadata has more than {MAX_METADATA_KEYS} keys");
                return Err(level
                    .walk
                    .refuse(Refusal::new(Code::MetadataTooLarge, detail)));
            }
            entries.next_value_seed(Level {
                walk: level.walk,
                depth: level.depth,
            })?;
            if let Some(name) = names.replace(name) {
                let shown: String = name.chars().take(64).collect();
                return Err(level
                    .walk
                    .refuse(invalid(format!("metadata has the key {shown:?} twice"))));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(raw: &str) -> Option<Code> {
        check(raw).err().map(|refusal| refusal.code)
    }

    #[test]
    fn accepts_what_people_send() {
        let deep = format!("{}{}{}", r#"{"a":"#.repeat(31), "{}", "}".repeat(31));
        let hostile = r#"{"q":"'; DROP TABLE x; --","h":"<script>","j":"${jndi:ldap://x}"}"#;
        for good in [
            "{}",
            r#"{"a":1,"b":[1.5e3,null,true,"\n\ud83d\ude00"],"c":{"a":-9007199254740992}}"#,
            &deep,
            hostile,
        ] {
            assert_eq!(code(good), None, "{good}");
        }
    }

    #[test]
    fn refuses_with_the_right_code() {
        let deep = format!("{}{}{}", r#"{"a":"#.repeat(32), "{}", "}".repeat(32));
        let wide = format!(
            "{{{}}}",
            (0..65)
                .map(|i| format!("\"k{i}\":1"))
                .collect::<Vec<_>>()
                .join(",")
        );
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_METADATA_BYTES));
        let many_digits = format!("{{\"a\":{}}}", "9".repeat(400));
        for (bad, expected) in [
            ("[]", Code::InvalidMetadata),
            ("null", Code::InvalidMetadata),
            ("\"x\"", Code::InvalidMetadata),
            (r#"{"a":"\u0000"}"#, Code::InvalidMetadata),
            (r#"{"\u0000":1}"#, Code::InvalidMetadata),
            (r#"{"a":9007199254740993}"#, Code::InvalidMetadata),
            (r#"{"a":1e131071}"#, Code::InvalidMetadata),
            (r#"{"a":1e-131071}"#, Code::InvalidMetadata),
            (r#"{"a":1e99999999999}"#, Code::InvalidMetadata),
            (r#"{"a":1,"\u0061":2}"#, Code::InvalidMetadata),
            (r#"{"a":{"b":1,"b":1}}"#, Code::InvalidMetadata),
            (r#"{"a":"\ud800"}"#, Code::InvalidJson),
            (&many_digits, Code::InvalidMetadata),
            (&deep, Code::InvalidMetadata),
            (&wide, Code::MetadataTooLarge),
            (&large, Code::MetadataTooLarge),
        ] {
            assert_eq!(code(bad), Some(expected), "{}", &bad[..bad.len().min(80)]);
        }
    }
}
