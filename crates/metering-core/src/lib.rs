//! The pure domain of meterd: what an event is, how it travels (records in envelopes), who decides
//! that it counts ([`judge`]), and how usage folds into windows. No IO, no clock, no randomness:
//! time and ids are arguments, so every line here can be property-tested.

pub mod aggregate;
pub mod cloud_event;
pub mod code;
pub mod envelope;
pub mod event;
pub mod judge;
pub mod limits;
mod members;
pub mod metadata;
pub mod new_event;
pub mod parse;
pub mod partition;
pub mod position;
pub mod quota;
pub mod receipt;
pub mod record;
pub mod redact;
pub mod signed;
pub mod window;

pub use code::Code;
pub use event::Event;
pub use judge::{FirstSeen, Verdict, judge};
pub use position::{Position, RecordPosition};
pub use record::Record;
