//! The roles as processes of their own, on servers of their own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::PgPool;
use tokio::process::{Child, ChildStdin};
use tokio::time::timeout;

use super::process::wait_blocking;
use super::{Finished, Home, eventually, finish, is_alive, meterd};

const SECRET: &str = "a secret that all roles of one test share";
/// Longer than a broker takes to recover, with its supervisor's pauses.
const READY: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
/// Below the ports of outgoing connections, one of which could sit on that of a killed role.
const PORTS: std::ops::Range<u16> = 12_000..20_000;

/// The servers of `meterd servers`, which starts those again that die.
pub(crate) struct Servers {
    child: Child,
    /// The command that runs on the servers ends with its input, and they with it.
    input: Option<ChildStdin>,
    home: Home,
    pub(crate) variables: Vec<(String, String)>,
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let home = Home::new();
        fs::create_dir(home.data_dir()).expect("a new directory");
        let file = home.file("variables");
        let script = r#"env > "$0.part" && mv "$0.part" "$0" && exec cat"#;
        let mut child = meterd()
            .env("TMPDIR", home.data_dir())
            .args(["servers", "--", "sh", "-c", script])
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(false)
            .spawn()
            .expect("meterd runs");
        let input = child.stdin.take();
        let text = eventually("servers", || fs::read_to_string(&file).ok()).await;
        let variables = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .filter(|(name, _)| name.starts_with("METERD_"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            child,
            input,
            home,
            variables,
        }
    }

    pub(crate) fn variable(&self, name: &str) -> &str {
        let mut variables = self.variables.iter();
        let found = variables.find(|(other, _)| other == name);
        &found.expect("a documented variable").1
    }

    /// The process of a server as it is now.
    fn pid(&self, server: &str) -> Option<u32> {
        let entries = fs::read_dir(self.home.data_dir()).expect("the directory is there");
        let list = entries
            .flatten()
            .map(|entry| entry.path().join("children.json"))
            .find(|path| path.exists())?;
        let children: serde_json::Value = serde_json::from_slice(&fs::read(list).ok()?).ok()?;
        children[server]["pid"].as_u64()?.try_into().ok()
    }

    /// Kills a server, if it runs; `meterd servers` starts it again.
    pub(crate) fn kill9(&self, server: &str) -> bool {
        self.signal(server, Signal::SIGKILL)
    }

    /// `false`: it does not run.
    pub(crate) fn signal(&self, server: &str, signal: Signal) -> bool {
        self.pid(server)
            .is_some_and(|pid| kill(Pid::from_raw(pid.cast_signed()), signal).is_ok())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.input.take());
        if let Some(pid) = self.child.id() {
            wait_blocking(|| !is_alive(pid), STOP);
        }
    }
}

/// One role's process. Started again it has the same address.
pub(crate) struct Role {
    name: &'static str,
    port: u16,
    variables: Vec<(String, String)>,
    child: Child,
}

impl Role {
    fn start(name: &'static str, variables: Vec<(String, String)>) -> Self {
        let port = free_port();
        let child = spawn(name, port, &variables);
        Self {
            name,
            port,
            variables,
            child,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it was not waited for")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // A role that could not start, because a server was away, is no more.
        if let Some(pid) = self.child.id() {
            kill(Pid::from_raw(pid.cast_signed()), signal).expect("the process is ours");
        }
    }

    /// Kills it and starts it again; it may have to be started again more than once.
    pub(crate) async fn kill9(&mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().await.expect("a child");
        self.child = spawn(self.name, self.port, &self.variables);
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        let ended = timeout(STOP, self.child.wait()).await;
        ended.expect("it ends in time").expect("a child")
    }

    /// Does a supervisor's work: starts it again if it has ended.
    pub(crate) fn supervise(&mut self) {
        if self.child.try_wait().expect("a child").is_some() {
            self.child = spawn(self.name, self.port, &self.variables);
        }
    }

    /// Waits until it says that it can work.
    pub(crate) async fn ready(&mut self) {
        let deadline = Instant::now() + READY;
        let url = format!("{}/readyz", self.url());
        loop {
            let answer = reqwest::get(&url).await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(Instant::now() < deadline, "{} is not ready", self.name);
            tokio::time::sleep(POLL).await;
            self.supervise();
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // One that is stopped would not notice that its servers go.
        self.signal(Signal::SIGKILL);
    }
}

fn spawn(name: &str, port: u16, variables: &[(String, String)]) -> Child {
    meterd()
        .arg(name)
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .envs(variables.iter().cloned())
        .stdout(Stdio::null())
        .spawn()
        .expect("meterd runs")
}

pub(crate) fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| rand::random_range(PORTS));
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).expect("an endless supply")
}

/// A migrated database, and the roles on it.
pub(crate) struct Deployment {
    // Before the servers: fields are dropped in this order.
    pub(crate) gateway: Role,
    pub(crate) query: Role,
    pub(crate) workers: Vec<Role>,
    pub(crate) quotas: Vec<Role>,
    pub(crate) servers: Servers,
    pub(crate) admin_key: String,
    pub(crate) database: PgPool,
}

impl Deployment {
    /// `variables` are for all roles.
    pub(crate) async fn start(workers: usize, variables: &[(&str, &str)]) -> Self {
        let servers = Servers::start().await;
        let mut all = servers.variables.clone();
        all.push(("METERD_SECRET".to_owned(), SECRET.to_owned()));
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        all.extend(variables.iter().map(owned));

        let key: PathBuf = servers.home.file("bootstrap.key");
        let admin_key = migrate(&key, &all).await;
        let database = PgPool::connect(servers.variable("METERD_POSTGRES_URL")).await;
        let mut deployment = Self {
            gateway: Role::start("gateway", all.clone()),
            query: Role::start("query", all.clone()),
            workers: Vec::new(),
            quotas: Vec::new(),
            servers,
            admin_key,
            database: database.expect("Postgres answers"),
        };
        deployment.gateway.ready().await;
        deployment.query.ready().await;
        for _ in 0..workers {
            deployment.add_worker().await;
        }
        deployment
    }

    /// One role more, with some variables of its own.
    pub(crate) fn role(&self, name: &'static str, own: &[(&str, &str)]) -> Role {
        let mut variables = self.gateway.variables.clone();
        variables.retain(|(name, _)| own.iter().all(|(own, _)| own != name));
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        variables.extend(own.iter().map(owned));
        Role::start(name, variables)
    }

    pub(crate) async fn add_worker(&mut self) {
        let mut worker = Role::start("worker", self.gateway.variables.clone());
        worker.ready().await;
        self.workers.push(worker);
    }

    pub(crate) async fn add_quota(&mut self) {
        let mut quota = Role::start("quota", self.gateway.variables.clone());
        quota.ready().await;
        self.quotas.push(quota);
    }

    /// `meterd COMMAND` with the roles' configuration.
    pub(crate) async fn run(&self, command: &str) -> Finished {
        let mut meterd = meterd();
        meterd.arg(command).envs(self.gateway.variables.clone());
        finish(&mut meterd).await
    }

    pub(crate) fn roles(&mut self) -> impl Iterator<Item = &mut Role> {
        [&mut self.gateway, &mut self.query]
            .into_iter()
            .chain(&mut self.workers)
            .chain(&mut self.quotas)
    }
}

/// The schema, for which the database is enough, and then the first key.
async fn migrate(key: &Path, variables: &[(String, String)]) -> String {
    let postgres = |(name, _): &&(String, String)| name == "METERD_POSTGRES_URL";
    let mut schema = meterd();
    schema.arg("migrate");
    schema.envs(variables.iter().filter(postgres).cloned());
    let mut first_key = meterd();
    first_key.args(["migrate", "--bootstrap-key-file"]).arg(key);
    first_key.envs(variables.iter().cloned());
    for command in [&mut schema, &mut first_key] {
        let finished = finish(command).await;
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    }
    fs::read_to_string(key).expect("a key").trim().to_owned()
}
