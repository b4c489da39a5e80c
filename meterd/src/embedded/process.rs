//! Processes named so that a recycled pid is never mistaken for the one that was meant.

use std::fs;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How often a process that was told to stop is looked at.
const POLL: Duration = Duration::from_millis(10);

/// A pid and the moment it started: together they name one process for ever, while the kernel
/// hands out the pid alone again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Boot id and start time in kernel ticks; opaque, only compared.
    pub(crate) started: String,
}

impl Process {
    /// The process that has this pid now; `None` when there is none or it is a zombie.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        started(pid).map(|started| Self { pid, started })
    }

    pub(crate) fn current() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Whether this very process still runs. A zombie does not: nothing of it is left but its
    /// exit code, and in a container without an init nobody ever collects that.
    pub(crate) fn is_alive(&self) -> bool {
        started(self.pid).is_some_and(|started| started == self.started)
    }

    /// Sends a signal if this very process still runs.
    pub(crate) fn signal(&self, signal: Signal) -> nix::Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        match i32::try_from(self.pid) {
            Ok(pid) => match kill(Pid::from_raw(pid), signal) {
                Err(Errno::ESRCH) => Ok(()),
                sent => sent,
            },
            Err(_) => Err(Errno::ESRCH),
        }
    }

    /// Waits until the process is gone; `false` when it outlives the patience.
    pub(crate) async fn is_gone_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
    }

    /// The processes this one started itself and that still run.
    pub(crate) fn children(&self) -> Vec<Self> {
        all()
            .filter(|&pid| stat(pid).is_some_and(|stat| stat.parent == self.pid))
            .filter_map(Self::of)
            .collect()
    }
}

/// Every pid this machine shows; none where there is no `/proc`.
pub(crate) fn all() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

struct Stat {
    parent: u32,
    start_ticks: String,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads `pid (name) state ppid … starttime …`; the name may itself hold blanks and parentheses,
/// so the fields count from its last `)`.
fn parse_stat(line: &str) -> Option<Stat> {
    let mut fields = line.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    // starttime is field 22 of the line; 3 and 4 are read, so 17 lie between.
    let start_ticks = fields.nth(17)?.to_owned();
    (!matches!(state, "Z" | "X")).then_some(Stat {
        parent,
        start_ticks,
    })
}

#[cfg(target_os = "linux")]
fn started(pid: u32) -> Option<String> {
    // Ticks count from boot, and a machine that starts meterd at boot starts it at about the same
    // tick every time: only with the boot id is the pair unique.
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(format!("{}:{}", boot.trim(), stat(pid)?.start_ticks))
}

#[cfg(not(target_os = "linux"))]
fn started(pid: u32) -> Option<String> {
    let ps = std::process::Command::new("ps")
        .args(["-o", "lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let started = String::from_utf8(ps.stdout).ok()?.trim().to_owned();
    (!started.is_empty()).then_some(started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_start_time_is_not() {
        let mut me = Process::current().expect("this process runs");
        assert!(me.is_alive());
        me.started.push('0');
        assert!(!me.is_alive());
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "7 (a) b) (c) S 3 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 4242 0";
        let stat = parse_stat(line).expect("a stat line");
        assert_eq!((stat.parent, stat.start_ticks.as_str()), (3, "4242"));
    }

    #[test]
    fn a_zombie_is_not_alive() {
        assert!(parse_stat("7 (x) Z 3 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 4242 0").is_none());
    }
}
