//! What the embedded servers ask of their clients. Trusting the loopback interface would let in
//! every user of the machine.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::datadir::{DataDir, Keep, read_json, write_private};

/// Made once per data directory: Postgres keeps its own copies of them.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Passwords {
    pub(crate) nats: String,
    pub(crate) postgres: String,
    pub(crate) postgres_superuser: String,
    pub(crate) valkey: String,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords")
    }
}

impl Passwords {
    pub(crate) fn of(dir: &DataDir) -> Result<Self> {
        if let Some(passwords) = read_json(&dir.passwords())? {
            return Ok(passwords);
        }
        let passwords = Self {
            nats: random_hex(),
            postgres: random_hex(),
            postgres_superuser: random_hex(),
            valkey: random_hex(),
        };
        let json = serde_json::to_vec_pretty(&passwords)?;
        write_private(&dir.passwords(), &json, Keep::Durable)?;
        Ok(passwords)
    }
}

/// 32 random bytes in hexadecimal, which no URL or configuration file needs quoted.
pub(crate) fn random_hex() -> String {
    use std::fmt::Write;
    let bytes: [u8; 32] = rand::random();
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
