//! One file per subcommand.

pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod servers;
pub(crate) mod status;
pub(crate) mod up;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};

/// Runs the subcommand on a runtime of its own.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    let filter = EnvFilter::try_new(&cli.log)
        .with_context(|| format!("--log does not take `{}`", cli.log))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        match cli.command {
            Command::Up(args) => up::run(args).await,
            Command::Down(args) => down::run(args).await,
            Command::Status(args) => status::run(args).await,
            Command::Doctor(args) => doctor::run(args).await,
            Command::Servers(args) => servers::run(args).await,
        }
    })
}
