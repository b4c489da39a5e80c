//! What handlers share.

use metering_core::signed::SigningKey;
use metering_log::backend::Durability;
use metering_log::publisher::Publisher;

use crate::config::Config;

#[derive(Clone)]
pub struct GatewayState {
    pub config: Config,
    pub publisher: Publisher,
    /// Seals receipts.
    pub receipts: SigningKey,
    /// What an acknowledgement of the log is worth.
    pub durability: Durability,
}
