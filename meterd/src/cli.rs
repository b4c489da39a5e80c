//! The command line: flags over environment variables, no configuration file.

use clap::{Parser, Subcommand};

use service_kit::telemetry::LogFormat;

use crate::commands::{
    config, doctor, down, keys, migrate, quotas, replay, roles, send, servers, status, tail, up,
    verify,
};

const EXIT_CODES: &str = "\
Exit codes:
  0    done; for `status`: it runs; for `doctor`: nothing failed
  1    failed, with the reason on standard error
  2    wrong usage
  3    `status`: it does not run
  4    `quotas apply --exit-code`: something was changed, or would be
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

    /// How log lines look
    #[arg(
        long,
        env = "METERD_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text",
        global = true
    )]
    pub(crate) log_format: LogFormat,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole system on this machine, its servers included
    Up(Box<up::UpArgs>),
    /// Stop the `meterd up` of a data directory
    Down(down::DownArgs),
    /// Tell whether the `meterd up` of a data directory runs and is ready
    Status(status::StatusArgs),
    /// Check that this machine can run meterd, and say what to do where it cannot
    Doctor(doctor::DoctorArgs),
    /// Run a command with servers of its own, which are deleted afterwards
    Servers(servers::ServersArgs),
    /// Accept events over HTTP and append them to the log
    Gateway(roles::GatewayArgs),
    /// Project the log into Postgres; start as many as you like
    Worker(roles::WorkerArgs),
    /// Answer questions about events and aggregates
    Query(roles::QueryArgs),
    /// Decide in log order whether tenants may use more; start as many as you like
    Quota(Box<roles::QuotaArgs>),
    /// Bring Postgres' schema to this version; make a first API key
    Migrate(migrate::MigrateArgs),
    /// Make, list and delete API keys
    Keys(keys::KeysArgs),
    /// Send events from a file or a pipe, each counted once however often it is sent
    Send(send::SendArgs),
    /// Print events as they are persisted
    Tail(tail::TailArgs),
    /// Make the usage projection again from its events and the log
    Replay(replay::ReplayArgs),
    /// Set quotas from a file, list them, try them on use of the past
    Quotas(quotas::QuotasArgs),
    /// Fold the whole log once more and compare every decision with what was answered
    Verify(verify::VerifyArgs),
    /// Print what a role would run with, secrets hidden
    Config(config::ConfigArgs),
    /// Print the description of the API (OpenAPI 3.1), as `/openapi.json` has it
    Openapi,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn no_two_arguments_share_a_name() {
        super::Cli::command().debug_assert();
    }
}
