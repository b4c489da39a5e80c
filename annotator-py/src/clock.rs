//! The one place that asks what time it is.

use rustix::time::{ClockId, clock_gettime};

/// The kernel's last tick, some milliseconds ago: usage needs no more, and reading the counter of
/// the processor would cost as much as all the rest of recording an event.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::RealtimeCoarse;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Realtime;

/// Microseconds since 1970.
#[inline]
pub(crate) fn now_micros() -> u64 {
    let now = clock_gettime(CLOCK);
    now.tv_sec.cast_unsigned() * 1_000_000 + now.tv_nsec.cast_unsigned() / 1000
}

pub(crate) fn now_ms() -> u64 {
    now_micros() / 1000
}
