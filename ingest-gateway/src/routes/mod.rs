//! The gateway's endpoints.

pub mod events;
