//! Which process is which server, on disk from the moment it is spawned: it is what lets the next
//! start clean up after a parent that was killed, and `status` and `down` find their way.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::Urls;
use super::datadir::{DataDir, Keep, read_json, remove_if_there, write_private};
use super::process::Process;

/// The servers meterd brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Nats,
    Postgres,
    Valkey,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Nats, Self::Postgres, Self::Valkey];

    /// The name in files, logs and messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Postgres => "postgres",
            Self::Valkey => "valkey",
        }
    }

    /// The program's file name.
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::Nats => "nats-server",
            Self::Postgres => "postgres",
            Self::Valkey => "valkey-server",
        }
    }

    /// How to ask this server to stop: each signal with the time it gets before the next one.
    /// SIGKILL follows the last.
    pub(crate) const fn stop_signals(self) -> &'static [(Signal, Duration)] {
        match self {
            // Postgres' fast shutdown writes a checkpoint, which takes a while after heavy load;
            // SIGQUIT leaves that work to the recovery of the next start.
            Self::Postgres => {
                const {
                    &[
                        (Signal::SIGINT, Duration::from_secs(30)),
                        (Signal::SIGQUIT, Duration::from_secs(5)),
                    ]
                }
            }
            Self::Nats => const { &[(Signal::SIGTERM, Duration::from_secs(10))] },
            Self::Valkey => const { &[(Signal::SIGTERM, Duration::from_secs(5))] },
        }
    }

    /// What ends this server now without losing anything it acknowledged.
    const fn last_signal(self) -> Signal {
        match self {
            // It takes its own children with it; after SIGKILL they would linger.
            Self::Postgres => Signal::SIGQUIT,
            Self::Nats | Self::Valkey => Signal::SIGKILL,
        }
    }
}

/// The content of `ready.json`: how to reach a running `meterd up`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// Where the API and the dashboard are.
    pub(crate) url: String,
    /// `meterd` itself and the servers it started.
    pub(crate) pids: BTreeMap<String, u32>,
    /// When each of them started, as [`Process`] compares it.
    pub(crate) started: BTreeMap<String, String>,
    pub(crate) nats_url: String,
    pub(crate) nats_monitor_url: Option<String>,
    pub(crate) postgres_url: String,
    pub(crate) redis_url: String,
}

impl Ready {
    /// The processes are filled in when it is announced.
    pub(crate) fn new(url: &str, urls: &Urls) -> Self {
        Self {
            url: url.to_owned(),
            pids: BTreeMap::new(),
            started: BTreeMap::new(),
            nats_url: urls.nats.clone(),
            nats_monitor_url: urls.nats_monitor.clone(),
            postgres_url: urls.postgres.clone(),
            redis_url: urls.redis.clone(),
        }
    }

    pub(crate) fn read(dir: &DataDir) -> Result<Option<Self>> {
        read_json(&dir.ready())
    }

    /// The processes by name.
    pub(crate) fn processes(&self) -> BTreeMap<&str, Process> {
        self.pids
            .iter()
            .filter_map(|(name, &pid)| {
                let started = self.started.get(name)?.clone();
                Some((name.as_str(), Process { pid, started }))
            })
            .collect()
    }
}

#[derive(Debug)]
pub(crate) struct Roster {
    dir: DataDir,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    children: BTreeMap<Kind, Process>,
    ready: Option<Ready>,
}

impl Roster {
    pub(crate) fn new(dir: DataDir) -> Self {
        Self {
            dir,
            state: Mutex::default(),
        }
    }

    /// The children a parent that is gone now had written down.
    pub(crate) fn left_behind(dir: &DataDir) -> Result<BTreeMap<Kind, Process>> {
        Ok(read_json(&dir.children())?.unwrap_or_default())
    }

    /// Writes down a child that was just spawned.
    pub(crate) fn add(&self, kind: Kind, pid: u32) -> Result<()> {
        let Some(process) = Process::of(pid) else {
            return Ok(()); // already dead: whoever waits for it says so
        };
        let mut state = self.state();
        state.children.insert(kind, process);
        self.write(&state)
    }

    /// Strikes out a child that was stopped.
    pub(crate) fn remove(&self, kind: Kind) -> Result<()> {
        let mut state = self.state();
        state.children.remove(&kind);
        self.write(&state)
    }

    /// Publishes `ready.json`, which follows every later restart of a server.
    pub(crate) fn announce(&self, ready: Ready) -> Result<()> {
        let mut state = self.state();
        state.ready = Some(ready);
        self.write(&state)
    }

    /// Takes `ready.json` away.
    pub(crate) fn withdraw(&self) -> Result<()> {
        self.state().ready = None;
        remove_if_there(&self.dir.ready()).context("cannot remove ready.json")
    }

    /// Ends every child at once, for a parent that is about to exit without waiting.
    pub(crate) fn abandon(&self) {
        for (kind, process) in &self.state().children {
            // A child that is gone already is what this wants.
            let _ = process.signal(kind.last_signal());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, state: &State) -> Result<()> {
        let children = serde_json::to_vec_pretty(&state.children)?;
        write_private(&self.dir.children(), &children, Keep::Atomic)?;
        let Some(mut ready) = state.ready.clone() else {
            return Ok(());
        };
        let me = Process::current().context("cannot read this process' start time")?;
        let all = [("meterd", &me)]
            .into_iter()
            .chain(state.children.iter().map(|(kind, p)| (kind.name(), p)));
        for (name, process) in all {
            ready.pids.insert(name.to_owned(), process.pid);
            let started = process.started.clone();
            ready.started.insert(name.to_owned(), started);
        }
        let ready = serde_json::to_vec_pretty(&ready)?;
        write_private(&self.dir.ready(), &ready, Keep::Atomic)
    }
}
