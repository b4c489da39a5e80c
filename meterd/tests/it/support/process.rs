//! Waiting for processes and for what they do.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::kill;
use nix::unistd::Pid;

/// Longer than anything a test waits for takes on a busy machine.
const EVENTUALLY: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Whether a process runs. One that only waits to be collected does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    let exists = kill(Pid::from_raw(pid.cast_signed()), None).is_ok();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let is_zombie = stat
        .rsplit_once(')')
        .is_some_and(|(_, fields)| fields.trim_start().starts_with('Z'));
    exists && !is_zombie
}

/// Waits until something is there, and returns it.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + EVENTUALLY;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not seen in time: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// The same where nothing can be awaited.
pub(crate) fn wait_blocking(mut done: impl FnMut() -> bool, patience: Duration) {
    let deadline = Instant::now() + patience;
    while !done() && Instant::now() < deadline {
        std::thread::sleep(POLL);
    }
}
