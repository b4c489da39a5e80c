//! `meterd openapi`: the description of the API.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;

use crate::openapi;

#[expect(
    clippy::unused_async,
    reason = "one signature for all subcommands keeps the table of them readable"
)]
pub(crate) async fn run() -> Result<ExitCode> {
    std::io::stdout().write_all(openapi::text().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
