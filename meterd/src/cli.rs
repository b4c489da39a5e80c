//! The command line: flags over environment variables, no configuration file.

use clap::{Parser, Subcommand};

use crate::commands::{doctor, down, servers, status, up};

const EXIT_CODES: &str = "\
Exit codes:
  0    done; for `status`: it runs; for `doctor`: nothing failed
  1    failed, with the reason on standard error
  2    wrong usage
  3    `status`: it does not run
  130  stopped at once by a second signal
  `servers` passes on the code of its command, or 128 + the signal that ended it.

Standard output is data, standard error is commentary. Every flag has an environment variable.
Start with `meterd up`, or `make up` in a checkout.";

/// Usage metering: who used what, how often, and may they use more
#[derive(Debug, Parser)]
#[command(name = "meterd", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to log to standard error, as `level` or `target=level,…`
    #[arg(
        long,
        env = "METERD_LOG",
        value_name = "FILTER",
        default_value = "info",
        global = true
    )]
    pub(crate) log: String,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole system on this machine, its servers included
    Up(up::UpArgs),
    /// Stop the `meterd up` of a data directory
    Down(down::DownArgs),
    /// Tell whether the `meterd up` of a data directory runs and is ready
    Status(status::StatusArgs),
    /// Check that this machine can run meterd, and say what to do where it cannot
    Doctor(doctor::DoctorArgs),
    /// Run a command with servers of its own, which are deleted afterwards
    Servers(servers::ServersArgs),
}
