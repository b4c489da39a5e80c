//! A receipt says where in the log a request's events stand, so that a reader can wait for them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::signed::SigningKey;

/// One partition's share of a receipt: wait until the projection has applied `seq`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptPart {
    pub incarnation: Uuid,
    pub partition: u16,
    pub seq: u64,
}

/// The key that seals receipts.
pub fn receipt_key(secret: &str) -> SigningKey {
    SigningKey::derive(secret, "meterd receipt 1")
}

pub fn seal(key: &SigningKey, parts: &[ReceiptPart]) -> String {
    key.seal(&postcard::to_allocvec(parts).expect("plain data always serialises"))
}

/// `None`: not a receipt of this deployment.
pub fn open(key: &SigningKey, token: &str) -> Option<Vec<ReceiptPart>> {
    postcard::from_bytes(&key.open(token)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        let key = receipt_key("secret");
        let parts = vec![ReceiptPart {
            incarnation: Uuid::from_u128(7),
            partition: 1,
            seq: u64::MAX,
        }];
        assert_eq!(open(&key, &seal(&key, &parts)), Some(parts));
        assert_eq!(open(&key, "no receipt"), None);
    }
}
