//! `meterd status`: whether the `meterd up` of a data directory runs and is ready.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::embedded::datadir::{DataDir, DataDirArgs};
use crate::embedded::roster::Ready;

/// The exit code when nothing runs, as init scripts have it.
const NOT_RUNNING: u8 = 3;
const READY_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    data_dir: DataDirArgs,

    /// Print JSON
    #[arg(long, env = "METERD_JSON")]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Status {
    state: State,
    url: Option<String>,
    data_dir: String,
    processes: Vec<ProcessStatus>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It runs and `/readyz` says yes.
    Ready,
    /// It runs and `/readyz` says no, or nothing.
    NotReady,
    /// It runs and has not been ready yet.
    Starting,
    Stopped,
}

#[derive(Debug, Serialize)]
struct ProcessStatus {
    name: String,
    pid: u32,
    running: bool,
}

pub(crate) async fn run(args: StatusArgs) -> Result<ExitCode> {
    let (dir, _) = args.data_dir.locate()?;
    let status = ask(&dir).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print(&status);
    }
    Ok(match status.state {
        State::Stopped => NOT_RUNNING.into(),
        State::Ready | State::NotReady | State::Starting => ExitCode::SUCCESS,
    })
}

async fn ask(dir: &DataDir) -> Result<Status> {
    let holder = dir.holder();
    let ready = Ready::read(dir)?;
    let processes = ready.as_ref().map_or(Vec::new(), |ready| {
        let processes = ready.processes();
        processes
            .into_iter()
            .map(|(name, process)| ProcessStatus {
                name: name.to_owned(),
                pid: process.pid,
                running: process.is_alive(),
            })
            .collect()
    });
    let state = match (&holder, &ready) {
        (None, _) => State::Stopped,
        (Some(_), None) => State::Starting,
        (Some(_), Some(ready)) if is_ready(&ready.url).await? => State::Ready,
        (Some(_), Some(_)) => State::NotReady,
    };
    Ok(Status {
        state,
        url: ready.map(|ready| ready.url),
        data_dir: dir.root().display().to_string(),
        processes,
    })
}

async fn is_ready(url: &str) -> Result<bool> {
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(READY_TIMEOUT)
        .build()
        .context("cannot set up an HTTP client")?;
    let answer = http.get(format!("{url}/readyz")).send().await;
    Ok(answer.is_ok_and(|answer| answer.status().is_success()))
}

fn print(status: &Status) {
    let url = status.url.as_deref().unwrap_or_default();
    match status.state {
        State::Ready => println!("meterd is ready: {url}"),
        State::NotReady => println!("meterd runs but is not ready: {url}/readyz tells why"),
        State::Starting => println!("meterd is starting"),
        State::Stopped => println!("meterd does not run on {}", status.data_dir),
    }
    for ProcessStatus { name, pid, running } in &status.processes {
        let state = if *running { "running" } else { "gone" };
        println!("  {name:<9} pid {pid:<8} {state}");
    }
}
