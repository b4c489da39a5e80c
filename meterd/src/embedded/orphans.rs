//! Servers that outlived a `meterd` which was killed: found, stopped, waited for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use super::datadir::{DataDir, remove_if_there};
use super::process::{self, Process};
use super::roster::{Kind, Roster};

/// How long a process may take to go after SIGKILL; it can only be stuck in the kernel by then.
const AFTER_KILL: Duration = Duration::from_secs(10);

/// Stops whatever still serves from this data directory. The caller holds its lock, so nobody
/// starts anything meanwhile. Returns the names of the servers that were stopped.
pub(crate) async fn stop(dir: &DataDir) -> Result<Vec<&'static str>> {
    let mut orphans: Vec<(Kind, Process)> = Roster::left_behind(dir)
        // A damaged list loses nothing: the command lines are looked at as well.
        .unwrap_or_else(|error| {
            tracing::warn!("{error:#}");
            BTreeMap::new()
        })
        .into_iter()
        .filter(|(_, process)| process.is_alive())
        .collect();
    // A parent killed between spawning a child and writing it down leaves one that is in no list.
    for stray in strays(dir) {
        if !orphans.contains(&stray) {
            orphans.push(stray);
        }
    }
    for (kind, process) in &orphans {
        stop_one(*kind, process).await?;
    }
    // Its pid may belong to anyone by now, and Postgres would wait for that process to go.
    remove_if_there(&dir.postgres().join("postmaster.pid"))
        .context("cannot remove a stale postmaster.pid")?;
    remove_if_there(&dir.ready()).context("cannot remove a stale ready.json")?;
    remove_if_there(&dir.children()).context("cannot remove a stale children.json")?;
    Ok(orphans.iter().map(|(kind, _)| kind.name()).collect())
}

async fn stop_one(kind: Kind, process: &Process) -> Result<()> {
    let name = kind.name();
    let cannot = || format!("cannot stop {name} (pid {}), left running", process.pid);
    tracing::warn!(pid = process.pid, "stopping a {name} left running");
    // Postgres' own children hold its shared memory: a new server refuses until they are gone.
    let family = process.children();
    for &(signal, patience) in kind.stop_signals() {
        process.signal(signal).with_context(cannot)?;
        if process.is_gone_within(patience).await {
            break;
        }
    }
    for member in std::iter::once(process).chain(&family) {
        if member == process || !member.is_gone_within(Duration::from_secs(2)).await {
            member.signal(Signal::SIGKILL).with_context(cannot)?;
        }
        ensure!(member.is_gone_within(AFTER_KILL).await, cannot());
    }
    Ok(())
}

/// The servers whose command line names this data directory.
fn strays(dir: &DataDir) -> Vec<(Kind, Process)> {
    process::all()
        .filter_map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let words: Vec<&[u8]> = line.split(|&byte| byte == 0).collect();
            let program = Path::new(std::str::from_utf8(words.first()?).ok()?).file_name()?;
            let kind = Kind::ALL.into_iter().find(|k| k.program() == program)?;
            let path = command_line_path(dir, kind);
            let names_it = words.contains(&path.as_os_str().as_encoded_bytes());
            names_it.then(|| Process::of(pid).map(|process| (kind, process)))?
        })
        .collect()
}

/// The word in a server's command line that names its data directory.
fn command_line_path(dir: &DataDir, kind: Kind) -> PathBuf {
    match kind {
        Kind::Nats => super::nats::config_file(dir),
        Kind::Postgres => dir.postgres(),
        Kind::Valkey => super::valkey::config_file(dir),
    }
}
