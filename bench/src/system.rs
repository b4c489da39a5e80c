//! A `meterd up` to measure, on fresh data.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const START: Duration = Duration::from_mins(1);
/// Postgres writes a checkpoint when it stops.
const STOP: Duration = Duration::from_mins(1);
const LOG_LINES: usize = 20;

/// They would have it use other servers, or leave it running.
const NOT_INHERITED: [&str; 5] = [
    "METERD_DETACH",
    "METERD_NATS_URL",
    "METERD_NATS_MONITOR_URL",
    "METERD_POSTGRES_URL",
    "METERD_REDIS_URL",
];

#[derive(Debug)]
pub(crate) struct Meterd {
    child: Child,
    home: TempDir,
    pub(crate) url: String,
    pub(crate) admin_key: String,
    /// `meterd` and its servers by name.
    pub(crate) pids: BTreeMap<String, u32>,
}

#[derive(Debug, Deserialize)]
struct Ready {
    pids: BTreeMap<String, u32>,
}

impl Meterd {
    /// Starts it on a free port and returns when it is ready.
    pub(crate) async fn start(program: &Path) -> Result<Self> {
        let home = TempDir::with_prefix("meterd-bench-").context("no temporary directory")?;
        // Started by root, Postgres runs as another user, who must get to its data.
        fs::set_permissions(home.path(), Permissions::from_mode(0o711))?;
        let data = home.path().join("data");
        let mut command = Command::new(program);
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        let mut child = command
            .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(home.path().join("log"))?)
            // Ctrl-C is this program's to handle.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run {}: name a meterd with --meterd", program.display()))?;
        let started = ready_url(&mut child).await.and_then(|url| {
            let key = fs::read_to_string(data.join("admin.key")).context("no admin.key")?;
            let ready = fs::read(data.join("ready.json")).context("no ready.json")?;
            let ready: Ready = serde_json::from_slice(&ready).context("another ready.json")?;
            Ok((url, key.trim().to_owned(), ready.pids))
        });
        match started {
            Ok((url, admin_key, pids)) => Ok(Self {
                child,
                home,
                url,
                admin_key,
                pids,
            }),
            Err(error) => {
                let log = tail(&home.path().join("log"));
                stop(&mut child).await?;
                bail!("meterd did not start: {error:#}; its log ends with:\n{log}");
            }
        }
    }

    pub(crate) fn log_tail(&self) -> String {
        tail(&self.home.path().join("log"))
    }

    /// Stops it and deletes its data.
    pub(crate) async fn stop(mut self) -> Result<()> {
        stop(&mut self.child).await?;
        self.home.close().context("cannot delete its data")
    }
}

async fn ready_url(child: &mut Child) -> Result<String> {
    let stdout = child.stdout.take().context("no standard output")?;
    let line = timeout(START, BufReader::new(stdout).lines().next_line())
        .await
        .map_err(|_| anyhow!("not ready after {} s", START.as_secs()))??
        .context("it ended")?;
    let url = line.strip_prefix("meterd is ready: ");
    Ok(url.context("its first line is another")?.to_owned())
}

async fn stop(child: &mut Child) -> Result<()> {
    if let Some(pid) = child.id() {
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM).context("cannot stop meterd")?;
    }
    let status = timeout(STOP, child.wait())
        .await
        .map_err(|_| anyhow!("meterd has not stopped after {} s", STOP.as_secs()))??;
    ensure!(status.success(), "meterd stopped with {status}");
    Ok(())
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
