//! The state as bytes, from which a process goes on after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::limits::{Limits, Slot};
use super::rules::Rules;
use super::state::{Horizon, Order, State, Tenant};
use super::take::Phase;

/// The first byte; another layout gets another number.
const VERSION: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    #[error("the snapshot has format {0}, which this version does not know")]
    UnknownVersion(u8),
    #[error("the snapshot is damaged")]
    Damaged,
}

#[derive(Serialize)]
struct Written<'a> {
    clock_us: i64,
    rules: Option<(u64, &'a str)>,
    horizon: Horizon,
    tenants: &'a BTreeMap<Arc<str>, Tenant>,
    slots: &'a BTreeMap<Uuid, Slot>,
    /// At the end, since the first snapshots do not have it.
    default_deny: bool,
}

#[derive(Deserialize)]
struct Read {
    clock_us: i64,
    rules: Option<(u64, String)>,
    horizon: Horizon,
    tenants: BTreeMap<Arc<str>, Tenant>,
    slots: BTreeMap<Uuid, Slot>,
}

impl State {
    /// Version, CRC-32 of what follows (little-endian), and the state in postcard's format.
    pub fn encode(&self) -> Vec<u8> {
        let written = Written {
            clock_us: self.clock_us,
            rules: self.rules().map(|r| (r.fold, r.time_zones.as_str())),
            horizon: self.horizon,
            tenants: &self.tenants,
            slots: self.slots(),
            default_deny: self.rules().is_some_and(|rules| rules.default_deny),
        };
        let body = postcard::to_allocvec(&written).expect("plain data always serialises");
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (version, rest) = bytes.split_first().ok_or(SnapshotError::Damaged)?;
        if *version != VERSION {
            return Err(SnapshotError::UnknownVersion(*version));
        }
        let (crc, body) = rest.split_first_chunk().ok_or(SnapshotError::Damaged)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err(SnapshotError::Damaged);
        }
        let read = postcard::take_from_bytes::<Read>(body);
        let (read, rest) = read.map_err(|_| SnapshotError::Damaged)?;
        let rules = read.rules.map(|(fold, time_zones)| Rules {
            fold,
            time_zones,
            default_deny: rest == [1],
        });
        Ok(Self {
            clock_us: read.clock_us,
            rules,
            horizon: read.horizon,
            order: order(&read.tenants),
            tenants: read.tenants,
            limits: Limits::from_slots(read.slots),
        })
    }
}

fn order(tenants: &BTreeMap<Arc<str>, Tenant>) -> Order {
    let mut order = Order::default();
    for (name, tenant) in tenants {
        for (id, take) in &tenant.takes {
            if let Phase::Held { expires_us } = take.phase {
                order.holds.insert((expires_us, name.clone(), *id));
            }
            let since = take.since.map(|since| (since, name.clone(), *id));
            order.takes.extend(since);
        }
        for (id, seen) in &tenant.reports {
            order.reports.insert(seen.position, (name.clone(), *id));
        }
        for ((id, attempt), until) in &tenant.tombstones {
            let tombstone = (*until, name.clone(), *id, *attempt);
            order.tombstones.insert(tombstone);
        }
    }
    order
}
