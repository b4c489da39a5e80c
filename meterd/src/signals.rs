//! What SIGINT, SIGTERM and SIGHUP do: the first one drains, the second one ends the process.

use std::fs;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The exit code after a second signal, as shells give it for SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;

/// The signals that ask a process to stop.
#[derive(Debug)]
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    /// Absent under `nohup`, which wants the process to outlive its terminal.
    hang_up: Option<Signal>,
}

impl StopSignals {
    /// Listens from now on; before this call a signal has its default effect.
    pub(crate) fn listen() -> io::Result<Self> {
        let hang_up = if hang_up_is_ignored() {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> nix::sys::signal::Signal {
        use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGTERM};
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => SIGINT,
            _ = self.terminate.recv() => SIGTERM,
            _ = hang_up => SIGHUP,
        }
    }

    /// Cancels `shutdown` at the first signal; at the second does `last_rites` and exits at once.
    /// Dropping what is returned ends the watch.
    pub(crate) fn cancel(
        mut self,
        shutdown: CancellationToken,
        last_rites: impl FnOnce() + Send + 'static,
    ) -> JoinSet<()> {
        let mut watch = JoinSet::new();
        watch.spawn(async move {
            let signal = self.next().await;
            tracing::info!("{signal}: stopping; a second one stops at once");
            shutdown.cancel();
            self.exit(last_rites).await;
        });
        watch
    }

    /// Does `last_rites` at the next signal and exits at once. Dropping what is returned ends the
    /// watch.
    pub(crate) fn exit_at_next(
        mut self,
        last_rites: impl FnOnce() + Send + 'static,
    ) -> JoinSet<()> {
        let mut watch = JoinSet::new();
        watch.spawn(async move { self.exit(last_rites).await });
        watch
    }

    async fn exit(&mut self, last_rites: impl FnOnce()) {
        let signal = self.next().await;
        tracing::warn!("{signal} again: stopping at once");
        last_rites();
        std::process::exit(INTERRUPTED.into());
    }
}

/// Whether this process was started with SIGHUP ignored. Listening to it would undo that.
fn hang_up_is_ignored() -> bool {
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is signal 1, the lowest bit.
    ignored.is_some_and(|mask| mask & 1 == 1)
}
