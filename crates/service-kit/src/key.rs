//! API keys: their text, and what is known of them.

use std::fmt::{self, Write as _};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "mk_";
const ID_HEX: usize = 12;
const SECRET_HEX: usize = 48;
const CHECKSUM_HEX: usize = 8;
const RANDOM_BYTES: usize = ID_HEX / 2 + SECRET_HEX / 2;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Ingest,
    Read,
    Validate,
    /// Everything, managing keys included.
    Admin,
}

impl Scope {
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Ingest => "ingest",
            Scope::Read => "read",
            Scope::Validate => "validate",
            Scope::Admin => "admin",
        }
    }
}

/// The text of a key: `mk_<id>_<secret><checksum>`, all hex. The checksum (CRC-32 of what precedes
/// it) tells a mistyped key from an unknown one without asking anybody.
#[derive(Clone)]
pub struct ApiKeySecret(String);

impl ApiKeySecret {
    /// A new key with 192 random bits.
    pub fn generate() -> Self {
        let random: [u8; RANDOM_BYTES] = rand::random();
        let hex = hex(&random);
        let body = format!("{PREFIX}{}_{}", &hex[..ID_HEX], &hex[ID_HEX..]);
        let checksum = checksum(&body);
        Self(body + &checksum)
    }

    /// `None`: not the text of a key, or mistyped.
    pub fn parse(text: &str) -> Option<Self> {
        let (body, found) = text.split_at_checked(text.len().checked_sub(CHECKSUM_HEX)?)?;
        let well_formed = text.len() == PREFIX.len() + ID_HEX + 1 + SECRET_HEX + CHECKSUM_HEX
            && body.strip_prefix(PREFIX)?.as_bytes()[ID_HEX] == b'_'
            && found == checksum(body);
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The public part, by which a key is found and named in logs.
    pub fn id(&self) -> &str {
        &self.0[PREFIX.len()..PREFIX.len() + ID_HEX]
    }

    /// Whether `text` can be the id of a key.
    pub fn is_id(text: &str) -> bool {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        text.len() == ID_HEX && text.bytes().all(hex)
    }

    /// SHA-256 of the whole text: with 192 random bits in it no slow hash is needed.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeySecret({}…)", self.id())
    }
}

fn checksum(body: &str) -> String {
    format!("{:08x}", crc32fast::hash(body.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

/// A key as Postgres keeps it and as the gateways get it; the secret itself is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub id: String,
    pub name: String,
    pub secret_sha256: [u8; 32],
    pub scopes: Vec<Scope>,
    /// Bound to this tenant if there is one.
    pub tenant_id: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key was used, to the minute; how processes tell each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    pub id: String,
    pub at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::ApiKeySecret;

    #[test]
    fn a_key_is_read_back_and_a_mistyped_one_is_not() {
        let key = ApiKeySecret::generate();
        let text = key.as_str();
        assert_eq!(
            ApiKeySecret::parse(text)
                .map(|k| k.id().to_owned())
                .as_deref(),
            Some(key.id())
        );
        for i in 0..text.len() {
            let mut typo = text.as_bytes().to_vec();
            typo[i] = if typo[i] == b'0' { b'1' } else { b'0' };
            assert!(
                ApiKeySecret::parse(std::str::from_utf8(&typo).unwrap()).is_none(),
                "position {i}"
            );
        }
        for bad in [
            "",
            "mk_",
            "é",
            &text[1..],
            &format!("{text}0"),
            &"é".repeat(36),
        ] {
            assert!(ApiKeySecret::parse(bad).is_none(), "{bad}");
        }
        assert!(!format!("{key:?}").contains(&text[20..]));
    }
}
