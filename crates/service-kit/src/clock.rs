//! The one place that asks what time it is.

use chrono::{DateTime, Utc};

/// The system's clock. Handlers and loops read it here and pass `now` on.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one home of the clock"
)]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
