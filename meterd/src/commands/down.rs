//! `meterd down`: stops the `meterd up` of a data directory.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::embedded::datadir::DataDirArgs;
use crate::embedded::orphans;

/// Longer than the drain and the bounds of the three servers together.
const PATIENCE: Duration = Duration::from_secs(75);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DownArgs {
    #[command(flatten)]
    data_dir: DataDirArgs,
}

pub(crate) async fn run(args: DownArgs) -> Result<ExitCode> {
    let (dir, _) = args.data_dir.locate()?;
    let data = dir.root().display();
    if let Some(process) = dir.holder() {
        let pid = process.pid;
        process
            .signal(Signal::SIGTERM)
            .with_context(|| format!("cannot stop the meterd of {data} (pid {pid})"))?;
        if !process.is_gone_within(PATIENCE).await {
            bail!(
                "meterd (pid {pid}) still runs after {} s: see its log, or end it with \
                 `kill -9 {pid}`; the next `meterd up` or `meterd down` cleans up after it",
                PATIENCE.as_secs()
            );
        }
        eprintln!("meterd (pid {pid}) stopped");
        return Ok(ExitCode::SUCCESS);
    }
    if !dir.root().is_dir() {
        eprintln!("nothing to stop: there is no {data}");
        return Ok(ExitCode::SUCCESS);
    }
    let _lock = dir.lock()?;
    let stopped = orphans::stop(&dir).await?;
    if stopped.is_empty() {
        eprintln!("nothing to stop: no meterd runs on {data}");
    } else {
        let stopped = stopped.join(", ");
        eprintln!("meterd itself was gone; stopped the servers it left: {stopped}");
    }
    Ok(ExitCode::SUCCESS)
}
