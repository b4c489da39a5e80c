//! Ids for events that have none.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Namespace of these ids (UUIDv5). Never changes: a file that was sent before an upgrade must get
/// the same ids after it.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d65_7465_7264_5f73_856e_645f_6c69_6e65);

/// What identifies a place in an input: everything up to it. The same input gets the same ids each
/// time, one that has grown keeps those it had, and equal lines get different ones.
#[derive(Clone, Default)]
pub(super) struct Place(Sha256);

impl Place {
    /// Goes past an event.
    pub(super) fn pass(&mut self, event: &str) {
        // Its length first, so that no two inputs look the same.
        self.0.update((event.len() as u64).to_le_bytes());
        self.0.update(event.as_bytes());
    }

    /// The id of the event that was passed last.
    pub(super) fn id(&self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, &self.digest())
    }

    pub(super) fn hex(&self) -> String {
        self.digest().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
            hex
        })
    }

    fn digest(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }
}

/// The event with an id as its first member. It must be an object with members.
pub(super) fn with_id(event: &str, id: Uuid) -> String {
    let members = event.trim_ascii_start().get(1..).unwrap_or_default();
    format!("{{\"id\":\"{id}\",{members}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(events: &[&str]) -> Vec<Uuid> {
        let mut place = Place::default();
        let mut id = |event: &&str| {
            place.pass(event);
            place.id()
        };
        events.iter().map(&mut id).collect()
    }

    #[test]
    fn the_same_input_has_the_same_ids_and_no_two_events_of_it() {
        let short = ids(&["a", "a", "b"]);
        assert_eq!(short, ids(&["a", "a", "b", "c"])[..3]);
        assert_ne!(short[0], short[1]);
        assert_ne!(ids(&["ab", "c"])[1], ids(&["a", "bc"])[1]);
        // A file that was sent with an earlier version.
        assert_eq!(short[0].to_string(), "6974a45a-1cad-5edd-913e-543fbabb86ac");
        assert_eq!(
            with_id(r#" {"tenant_id":"t"}"#, Uuid::from_u128(1)),
            r#"{"id":"00000000-0000-0000-0000-000000000001","tenant_id":"t"}"#
        );
    }
}
