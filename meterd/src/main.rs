//! `meterd`: usage metering. One binary, roles as subcommands.

mod admin_key;
mod cli;
mod client;
mod commands;
mod connect;
mod dashboard;
mod demo;
mod embedded;
mod openapi;
mod scrape;
mod signals;
mod stack;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("meterd: {error:#}");
            ExitCode::FAILURE
        }
    }
}
