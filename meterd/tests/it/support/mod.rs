//! A `meterd up` of one's own, on free ports and in a temporary directory.

pub(crate) mod deployment;
pub(crate) mod letters;
pub(crate) mod live;
mod process;
pub(crate) mod proxy;
pub(crate) mod quota;
pub(crate) mod scrape;
pub(crate) mod usage;
pub(crate) mod webhook;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

pub(crate) use self::process::{eventually, is_alive};

/// Generous: a start takes half a second on an idle machine.
const START: Duration = Duration::from_mins(1);
/// The drain's 5 s and the servers' own.
const STOP: Duration = Duration::from_secs(20);

/// A directory for one installation, deleted at the end. It outlives the processes that use it,
/// so a test can start another one on the same data.
#[derive(Debug)]
pub(crate) struct Home {
    directory: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = TempDir::with_prefix("meterd-it-").expect("a temporary directory");
        // As root, Postgres runs as another user, who has to get to its data.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711))
            .expect("the directory is ours");
        Self { directory }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A file of the data directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.data_dir().join(name)
    }

    pub(crate) fn ready(&self) -> Option<Ready> {
        let json = fs::read(self.file("ready.json")).ok()?;
        Some(serde_json::from_slice(&json).expect("ready.json is JSON of the documented shape"))
    }

    /// `meterd COMMAND` on this data directory, with nothing of this process' configuration.
    pub(crate) fn command(&self, command: &str) -> Command {
        let mut meterd = meterd();
        meterd.arg(command).arg("--data-dir").arg(self.data_dir());
        meterd
    }

    /// Runs `meterd COMMAND ARGS…` to its end.
    pub(crate) async fn run(&self, command: &str, args: &[&str]) -> Finished {
        finish(self.command(command).args(args)).await
    }
}

/// The program under test. The servers' programs stay configured, the servers' addresses do not:
/// the installation under test brings its own.
pub(crate) fn meterd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meterd"));
    without_configuration(&mut command);
    // The servers' wheels are in the .venv of the checkout.
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    command.current_dir(checkout).stdin(Stdio::null());
    command.kill_on_drop(true);
    command
}

/// Keeps the environment's settings from a command, but for where the servers' programs are.
pub(crate) fn without_configuration(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("METERD_") && !name.ends_with("_BIN") && !name.ends_with("_BIN_DIR") {
            command.env_remove(name.as_ref());
        }
    }
}

/// How a command ended and what it printed.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) async fn finish(command: &mut Command) -> Finished {
    let Output {
        status,
        stdout,
        stderr,
    } = timeout(START, command.output())
        .await
        .expect("the command ends in time")
        .expect("the command runs");
    Finished {
        code: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// The content of `ready.json`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ready {
    pub(crate) url: String,
    pub(crate) pids: BTreeMap<String, u32>,
    pub(crate) nats_url: String,
    pub(crate) nats_monitor_url: Option<String>,
    pub(crate) postgres_url: String,
    pub(crate) redis_url: String,
}

impl Ready {
    pub(crate) fn pid(&self, name: &str) -> u32 {
        *self.pids.get(name).expect("a process of that name")
    }

    pub(crate) async fn connect_nats(&self) -> async_nats::Client {
        connect_nats(&self.nats_url).await
    }

    /// Whether any of the processes still runs.
    pub(crate) fn any_alive(&self) -> bool {
        self.pids.values().any(|&pid| is_alive(pid))
    }
}

/// A connection to the broker. The client takes no credentials from a URL by itself.
pub(crate) async fn connect_nats(url: &str) -> async_nats::Client {
    let server: async_nats::ServerAddr = url.parse().expect("a URL");
    let (user, password) = (server.username(), server.password());
    let options = async_nats::ConnectOptions::with_user_and_password(
        user.expect("a user").to_owned(),
        password.expect("a password").to_owned(),
    );
    options.connect(server).await.expect("NATS answers")
}

/// A running `meterd up`. A test ends it with [`Meterd::stop`] or [`Meterd::kill9`]; when the
/// test fails before that, dropping it does.
#[derive(Debug)]
pub(crate) struct Meterd {
    child: Child,
    /// Empty once it was handed back.
    home: Option<Home>,
    pub(crate) url: String,
    pub(crate) admin_key: String,
    /// As it was when it became ready; [`Home::ready`] reads it again.
    pub(crate) ready: Ready,
}

impl Meterd {
    /// Starts `meterd up ARGS…` on fresh data and returns when it is ready.
    pub(crate) async fn start(args: &[&str]) -> Self {
        Self::start_in(Home::new(), args).await
    }

    /// Starts it on the data in a directory.
    pub(crate) async fn start_in(home: Home, args: &[&str]) -> Self {
        let mut command = home.command("up");
        let mut child = command
            .args(["--listen", "127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("meterd runs");
        let stdout = child.stdout.take().expect("a piped stdout");
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(START, lines.next_line())
            .await
            .expect("meterd becomes ready in time")
            .expect("stdout is text")
            .expect("meterd says that it is ready; its standard error says why not");
        let url = line
            .strip_prefix("meterd is ready: ")
            .expect("the documented line")
            .to_owned();
        let admin_key = fs::read_to_string(home.file("admin.key")).expect("an admin key");
        let ready = home.ready().expect("ready.json");
        Self {
            child,
            admin_key: admin_key.trim().to_owned(),
            url,
            ready,
            home: Some(home),
        }
    }

    pub(crate) fn home(&self) -> &Home {
        self.home.as_ref().expect("it was not handed back yet")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().expect("meterd was not waited for");
        kill(Pid::from_raw(pid.cast_signed()), signal).expect("meterd takes signals");
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        timeout(STOP, self.child.wait())
            .await
            .expect("meterd ends in time")
            .expect("meterd can be waited for")
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> Home {
        self.signal(Signal::SIGTERM);
        let status = self.ended().await;
        assert!(status.success(), "meterd stopped with {status}");
        self.home.take().expect("it was not handed back yet")
    }

    /// Kills `meterd` itself; its servers go on without it.
    pub(crate) async fn kill9(mut self) -> Home {
        self.signal(Signal::SIGKILL);
        self.ended().await;
        self.home.take().expect("it was not handed back yet")
    }
}

impl Drop for Meterd {
    /// After a failed test: no server may be left that the next one finds.
    fn drop(&mut self) {
        if self.home.is_some() && self.child.id().is_some() {
            self.signal(Signal::SIGTERM);
            process::wait_blocking(|| !is_alive(self.ready.pid("meterd")), STOP);
        }
    }
}
