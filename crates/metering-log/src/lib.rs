//! The durable log: a coalescing publisher, an ordered reader that notices every gap, a trimmer,
//! and two backends (NATS JetStream, memory) that one conformance suite holds to the same rules.
//!
//! Delivery contract: what [`Publisher::append`] confirmed is stored, in order, as durably as the
//! backend's [`Durability`] says. An append that ended in [`AppendError::Unknown`] may be stored,
//! now or a little later; ids make a second attempt harmless.

pub mod alerts;
pub mod backend;
pub mod keys;
pub mod memory;
pub mod nats;
pub mod partitions;
pub mod publisher;
pub mod reader;
pub mod topology;
pub mod trimmer;

pub use backend::{Backend, BackendError, Durability, Message, SharedBackend, StreamInfo};
pub use memory::MemoryBackend;
pub use nats::{NatsBackend, NatsConfig};
pub use publisher::{AppendError, Appended, Priority, Publisher, PublisherConfig};
pub use reader::{BatchLimits, Delivery, Reader, ReaderError};
