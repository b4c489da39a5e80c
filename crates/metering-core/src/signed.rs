//! Opaque tokens (receipts, cursors): a client can carry them but not make them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const TAG_BYTES: usize = 16;

/// A key for one purpose, derived from the deployment's one secret: a receipt never opens as a cursor.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

/// Keys the hashes of payloads: a hash without a key would let readers of the log try out what a
/// redacted value was.
pub fn payload_key(secret: &str) -> SigningKey {
    SigningKey::derive(secret, "payload hash")
}

impl SigningKey {
    /// HMAC-SHA256(secret, purpose) as the key (RFC 2104 used as a one-block HKDF-Expand).
    pub fn derive(secret: &str, purpose: &str) -> Self {
        let mut kdf = keyed(secret.as_bytes());
        kdf.update(purpose.as_bytes());
        Self(keyed(&kdf.finalize().into_bytes()))
    }

    /// base64url(tag ‖ payload), the tag being the first 16 bytes of HMAC-SHA256(payload).
    pub fn seal(&self, payload: &[u8]) -> String {
        let mut token = self.mac(payload).finalize().into_bytes()[..TAG_BYTES].to_vec();
        token.extend_from_slice(payload);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The payload of a token that this key sealed; `None` for anything else.
    pub fn open(&self, token: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (tag, payload) = bytes.split_at_checked(TAG_BYTES)?;
        self.mac(payload).verify_truncated_left(tag).ok()?;
        Some(payload.to_vec())
    }

    /// What only this key makes of `payload`, in 22 characters.
    pub fn tag(&self, payload: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(&self.mac(payload).finalize().into_bytes()[..TAG_BYTES])
    }

    /// `hash`, told to who has this key only: nobody else can find its preimage by trying.
    pub fn keyed_hash(&self, hash: i64) -> i64 {
        let mac = self.mac(&hash.to_le_bytes()).finalize().into_bytes();
        i64::from_le_bytes(*mac.first_chunk().expect("a SHA-256 has 32 bytes"))
    }

    fn mac(&self, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(payload);
        mac
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::SigningKey;

    #[test]
    fn opens_only_what_it_sealed() {
        let key = SigningKey::derive("s", "cursor");
        let token = key.seal(b"payload");
        assert_eq!(key.open(&token).as_deref(), Some(&b"payload"[..]));
        assert_eq!(SigningKey::derive("s", "receipt").open(&token), None);
        assert_eq!(SigningKey::derive("t", "cursor").open(&token), None);
        for i in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[i] = if forged[i] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            // The last character carries spare bits; a token that decodes to the same bytes is the same token.
            assert!(key.open(&forged).is_none(), "{forged}");
        }
        assert_eq!(key.open(""), None);
        assert_eq!(key.open("%%%"), None);
    }
}
