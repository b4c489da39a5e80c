//! Starts a server, waits until it answers, starts it again when it dies, stops it when asked.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::roster::{Kind, Roster};

/// A server that has not answered by then will not. Recovery after a crash under load takes tens
/// of seconds.
const START_TIMEOUT: Duration = Duration::from_mins(2);
/// How often a starting server is asked whether it is ready.
const READY_POLL: Duration = Duration::from_millis(15);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(10);
/// A server that ran this long had recovered: its next death is a new story.
const STABLE_AFTER: Duration = Duration::from_mins(1);
/// A free port is only known to have been free: someone may take it before the server does.
const PORT_ATTEMPTS: u32 = 5;
/// Ports are picked below the range the kernel hands out to outgoing connections, one of which
/// could otherwise sit on the port of a server that is being restarted.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// A log longer than this is set aside at the next start; one older log is kept.
const LOG_LIMIT_BYTES: u64 = 16 * 1024 * 1024;
/// How much of a log an error message quotes.
const LOG_TAIL_BYTES: u64 = 2 * 1024;

/// What the supervisor has to know about a server.
pub(crate) trait Server: Send + Sync + 'static {
    const KIND: Kind;

    /// The command that runs it in the foreground.
    fn command(&self) -> std::process::Command;

    fn log(&self) -> &Path;

    /// Whether it answers. An error is final: waiting longer would not help.
    fn is_ready(&self) -> impl Future<Output = Result<bool>> + Send;
}

/// A running server. Dropping it kills the server; [`Supervised::stop`] stops it properly.
#[derive(Debug)]
pub(crate) struct Supervised {
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Supervised {
    /// Starts the server that `configure` sets up (with fresh ports at every call) and returns
    /// once it answers.
    pub(crate) async fn start<S: Server + Clone>(
        roster: Arc<Roster>,
        mut configure: impl FnMut() -> Result<S>,
    ) -> Result<(Self, S)> {
        let mut attempt = 1;
        let (server, child) = loop {
            let server = configure()?;
            match launch(&server, &roster).await {
                Ok(child) => break (server, child),
                Err(error) if attempt < PORT_ATTEMPTS && is_port_taken(&error) => attempt += 1,
                Err(error) => return Err(error),
            }
        };
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(supervise(server.clone(), child, roster, stop.clone()));
        Ok((Self { stop, task }, server))
    }

    /// Asks the server to stop and waits until it is gone.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.task.join_next().await.is_some() {}
    }
}

async fn supervise<S: Server>(
    server: S,
    mut child: Child,
    roster: Arc<Roster>,
    stop: CancellationToken,
) {
    let name = S::KIND.name();
    let mut backoff = FIRST_BACKOFF;
    loop {
        let started = Instant::now();
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => {
                terminate(S::KIND, &mut child).await;
                break;
            }
            ended = child.wait() => ended,
        };
        tracing::error!(server = name, ended = %describe(ended), "{name} died, starting it again");
        if started.elapsed() >= STABLE_AFTER {
            backoff = FIRST_BACKOFF;
        }
        // Stopping while it restarts drops the future, and with it the half-started child.
        let restarted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            restarted = relaunch(&server, &roster, &mut backoff) => restarted,
        };
        tracing::info!(server = name, pid = restarted.id(), "{name} runs again");
        child = restarted;
    }
    if let Err(error) = roster.remove(S::KIND) {
        tracing::warn!("{error:#}");
    }
}

async fn relaunch<S: Server>(server: &S, roster: &Roster, backoff: &mut Duration) -> Child {
    let name = S::KIND.name();
    loop {
        sleep(*backoff).await;
        *backoff = (*backoff * 2).min(LAST_BACKOFF);
        match launch(server, roster).await {
            Ok(child) => return child,
            Err(error) => tracing::error!(
                server = name,
                next_try_in_ms = backoff.as_millis(),
                "{name} could not be started again: {error:#}"
            ),
        }
    }
}

/// Spawns the server and waits until it answers.
async fn launch<S: Server>(server: &S, roster: &Roster) -> Result<Child> {
    let name = S::KIND.name();
    let log = open_log(server.log())
        .with_context(|| format!("cannot open the log {}", server.log().display()))?;
    let mut command = server.command();
    command.stdin(Stdio::null()).stdout(log.try_clone()?);
    command.stderr(log);
    isolate(&mut command);
    let mut command = Command::from(command);
    let mut child = command
        // A Ctrl-C in the terminal is for meterd, which stops its servers after it has drained.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    if let Some(pid) = child.id() {
        roster.add(S::KIND, pid)?;
    }
    tokio::select! {
        ready = timeout(START_TIMEOUT, until_ready(server)) => match ready {
            Ok(ready) => ready.with_context(|| format!("{name} did not become ready"))?,
            Err(_) => bail!(
                "{name} did not answer within {} s; its log {} ends with:\n{}",
                START_TIMEOUT.as_secs(),
                server.log().display(),
                tail(server.log())
            ),
        },
        ended = child.wait() => {
            return Err(anyhow!(
                "{name} ended at once ({}); its log {} ends with:\n{}",
                describe(ended),
                server.log().display(),
                tail(server.log())
            ));
        }
    }
    Ok(child)
}

async fn until_ready<S: Server>(server: &S) -> Result<()> {
    while !server.is_ready().await? {
        sleep(READY_POLL).await;
    }
    Ok(())
}

/// Signals the child step by step until it is gone.
async fn terminate(kind: Kind, child: &mut Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    for &(signal, patience) in kind.stop_signals() {
        let Some(pid) = pid else {
            return; // it was waited for already
        };
        // The child is not yet waited for, so the pid is still its own.
        if let Err(error) = kill(Pid::from_raw(pid), signal) {
            tracing::warn!(pid, %error, "cannot send {signal}");
        }
        if timeout(patience, child.wait()).await.is_ok() {
            return;
        }
        let name = kind.name();
        tracing::warn!(server = name, "{name} ignores {signal}");
    }
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "cannot kill {}", kind.name());
    }
}

/// Gives a child none of this process' environment: it holds secrets that Postgres' account
/// could read, and locale or preload settings that would change what the servers do.
pub(crate) fn isolate(command: &mut std::process::Command) {
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LC_ALL", "C")
        .env("TZ", "UTC");
}

/// A port nobody listens on.
pub(crate) fn free_port() -> Result<u16> {
    const TRIES: u32 = 200;
    for _ in 0..TRIES {
        let port = rand::random_range(PORTS);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!(
        "no free port on 127.0.0.1: {TRIES} tries between {} and {}",
        PORTS.start,
        PORTS.end
    )
}

fn is_port_taken(error: &anyhow::Error) -> bool {
    error
        .to_string()
        .to_lowercase()
        .contains("address already in use")
}

fn describe(ended: std::io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

/// Opens a log to append to it, after setting a long one aside.
pub(crate) fn open_log(path: &Path) -> std::io::Result<File> {
    if path.metadata().is_ok_and(|log| log.len() > LOG_LIMIT_BYTES) {
        let mut older = path.as_os_str().to_owned();
        older.push(".1");
        fs::rename(path, PathBuf::from(older))?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// The last lines of a log.
pub(crate) fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_or_else(
        |error| format!("(unreadable: {error})"),
        |bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned(),
    )
}
