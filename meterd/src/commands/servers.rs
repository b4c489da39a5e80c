//! `meterd servers`: a command with servers of its own, such as a test run.

use std::ffi::OsString;
use std::fs;
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::embedded::binaries::{Binary, BinaryArgs};
use crate::embedded::datadir::DataDir;
use crate::embedded::roster::Roster;
use crate::embedded::{ExternalServers, Purpose, Servers, orphans};
use crate::signals::{INTERRUPTED, StopSignals};

/// What the directories are called; a later run recognises by it those of a killed one.
const PREFIX: &str = "meterd-servers-";
/// A run locks its directory long before it is this old.
const SETTLED_AFTER: Duration = Duration::from_mins(1);
/// How long the command may take to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServersArgs {
    /// The command and its arguments, after `--`. It gets METERD_NATS_URL,
    /// METERD_NATS_MONITOR_URL, METERD_POSTGRES_URL (of the superuser) and METERD_REDIS_URL
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    #[command(flatten)]
    binaries: BinaryArgs,
}

pub(crate) async fn run(args: ServersArgs) -> Result<ExitCode> {
    sweep(&std::env::temp_dir()).await;
    let temporary = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempdir()
        .context("cannot make a temporary directory")?;
    let dir = DataDir::at(temporary.path().to_owned());
    dir.create()?;
    let lock = dir.lock()?;
    let roster = Arc::new(Roster::new(dir.clone()));
    let mut signals = StopSignals::listen().context("cannot listen to signals")?;
    // Always servers of its own: tests must not touch whatever the environment points to.
    let external = ExternalServers::default();
    let started = tokio::select! {
        started = Servers::start(
            &dir, roster.clone(), &external, &args.binaries, Purpose::Tests,
        ) => started,
        signal = signals.next() => {
            bail!("stopped by {signal} while its servers were starting")
        }
    };
    let servers = started?;
    let ended = run_command(&args, &servers, &roster, signals).await;
    servers.stop().await;
    drop(lock);
    temporary
        .close()
        .context("cannot delete the servers' data")?;
    ended
}

/// Runs the command and passes on the signals it would otherwise miss.
async fn run_command(
    args: &ServersArgs,
    servers: &Servers,
    roster: &Arc<Roster>,
    mut signals: StopSignals,
) -> Result<ExitCode> {
    let (program, arguments) = args.command.split_first().context("no command was given")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("METERD_NATS_URL", &servers.urls.nats)
        .env("METERD_POSTGRES_URL", &servers.urls.postgres)
        .env("METERD_REDIS_URL", &servers.urls.redis);
    if let Some(url) = &servers.urls.nats_monitor {
        command.env("METERD_NATS_MONITOR_URL", url);
    }
    // Tests that start servers of their own find the same programs, wherever they run.
    command.envs(servers.programs.iter().map(Binary::variable));
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let signal = tokio::select! {
        ended = child.wait() => return Ok(code_of(ended?)),
        signal = signals.next() => signal,
    };
    let roster = roster.clone();
    let _second = signals.exit_at_next(move || roster.abandon());
    // A Ctrl-C reaches the command without help, and many programs take a second one for more.
    if signal != Signal::SIGINT || !std::io::stdin().is_terminal() {
        send(&child, signal);
    }
    if let Ok(ended) = timeout(PATIENCE, child.wait()).await {
        return Ok(code_of(ended?));
    }
    child.kill().await.context("cannot kill the command")?;
    Ok(INTERRUPTED.into())
}

fn send(child: &Child, signal: Signal) {
    // A child that is gone needs no signal.
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// The code a shell would give for this end.
fn code_of(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Stops and deletes what killed runs left behind. Nothing here may keep this run from working.
async fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if !is_left_behind(&entry) {
            continue;
        }
        let dir = DataDir::at(entry.path());
        let Ok(_lock) = dir.lock() else {
            continue; // in use
        };
        match orphans::stop(&dir).await {
            Ok(_) => {
                if let Err(error) = fs::remove_dir_all(dir.root()) {
                    tracing::warn!("cannot delete {}: {error}", dir.root().display());
                }
            }
            Err(error) => tracing::warn!("{error:#}"),
        }
    }
}

/// Whether a directory is one of this user's and not of a run that is only just starting.
fn is_left_behind(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with(PREFIX)
        && entry.metadata().is_ok_and(|found| {
            let age = found.modified().ok().and_then(|at| at.elapsed().ok());
            found.is_dir()
                && found.uid() == geteuid().as_raw()
                && age.is_some_and(|age| age > SETTLED_AFTER)
        })
}
