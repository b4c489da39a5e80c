//! One file per subcommand.

pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod keys;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod quotas;
pub(crate) mod replay;
pub(crate) mod roles;
pub(crate) mod send;
pub(crate) mod servers;
pub(crate) mod status;
pub(crate) mod tail;
pub(crate) mod up;
pub(crate) mod verify;

use std::process::ExitCode;

use anyhow::{Context, Result};
use service_kit::telemetry;

use crate::cli::{Cli, Command};

/// Runs the subcommand on a runtime of its own.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    telemetry::init(&cli.log, cli.log_format)
        .with_context(|| format!("--log does not take `{}`", cli.log))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        match cli.command {
            Command::Up(args) => up::run(*args).await,
            Command::Down(args) => down::run(args).await,
            Command::Status(args) => status::run(args).await,
            Command::Doctor(args) => doctor::run(args).await,
            Command::Servers(args) => servers::run(args).await,
            Command::Gateway(args) => roles::gateway(args).await,
            Command::Worker(args) => roles::worker(args).await,
            Command::Query(args) => roles::query(args).await,
            Command::Quota(args) => roles::quota(*args).await,
            Command::Migrate(args) => migrate::run(args).await,
            Command::Keys(args) => keys::run(args).await,
            Command::Send(args) => send::run(args).await,
            Command::Tail(args) => tail::run(args).await,
            Command::Replay(args) => replay::run(args).await,
            Command::Quotas(args) => quotas::run(args).await,
            Command::Verify(args) => verify::run(args).await,
            Command::Config(args) => config::run(args).await,
            Command::Openapi => openapi::run().await,
        }
    })
}
