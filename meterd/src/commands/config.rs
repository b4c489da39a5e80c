//! `meterd config`: what a role would run with, and where each setting comes from.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory as _, ValueEnum};
use reqwest::Url;
use serde::Serialize;

use crate::cli::Cli;

const HIDDEN: &str = "(hidden)";

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// Print JSON
    #[arg(long, env = "METERD_JSON")]
    json: bool,

    /// Whose settings
    #[arg(value_enum, default_value_t = Role::Up)]
    role: Role,

    /// Flags as they would be given to it
    #[arg(
        value_name = "FLAGS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    flags: Vec<OsString>,
}

/// A subcommand that runs on settings.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    Up,
    Gateway,
    Worker,
    Query,
    Quota,
    Migrate,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Setting {
    variable: String,
    /// `None`: not set, and there is no default.
    value: Option<String>,
    source: &'static str,
}

#[expect(
    clippy::unused_async,
    reason = "one signature for all subcommands keeps the table of them readable"
)]
pub(crate) async fn run(args: ConfigArgs) -> Result<ExitCode> {
    let role = args.role.to_possible_value().context("a role has a name")?;
    let settings = settings(role.get_name(), args.flags).unwrap_or_else(|wrong| wrong.exit());
    if args.json {
        println!("{}", serde_json::to_string_pretty(&settings)?);
        return Ok(ExitCode::SUCCESS);
    }
    let width = |text: fn(&Setting) -> &str| settings.iter().map(|s| text(s).len()).max();
    let variables = width(|s| &s.variable).unwrap_or_default();
    let values = width(Setting::shown).unwrap_or_default();
    for setting in &settings {
        let (variable, value) = (&setting.variable, setting.shown());
        println!(
            "{variable:<variables$}  {value:<values$}  {}",
            setting.source
        );
    }
    Ok(ExitCode::SUCCESS)
}

impl Setting {
    fn new(arg: &Arg, matches: &ArgMatches) -> Option<Self> {
        let variable = arg.get_env()?.to_string_lossy().into_owned();
        let id = arg.get_id().as_str();
        let value = matches.get_raw(id).map(|values| {
            let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            values.join(",")
        });
        let source = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => "flag",
            Some(ValueSource::EnvVariable) => "environment",
            Some(_) => "default",
            None => "not set",
        };
        let shown = |value: String| {
            if arg.is_hide_env_values_set() {
                without_secrets(&value)
            } else {
                value
            }
        };
        Some(Self {
            variable,
            value: value.map(shown),
            source,
        })
    }

    fn shown(&self) -> &str {
        self.value.as_deref().unwrap_or("-")
    }
}

/// All settings of a subcommand in the order of its help; an error is wrong usage.
fn settings(role: &str, flags: Vec<OsString>) -> Result<Vec<Setting>, clap::Error> {
    // What the role insists on may be missing here: that it is missing is what this shows.
    let mut command =
        Cli::command().mut_subcommand(role, |role| role.mut_args(|arg| arg.required(false)));
    let line = ["meterd".into(), role.into()].into_iter().chain(flags);
    let matches = command.try_get_matches_from_mut(line)?;
    let (Some(command), Some(matches)) = (
        command.find_subcommand(role),
        matches.subcommand_matches(role),
    ) else {
        return Ok(Vec::new());
    };
    let settings = command.get_arguments();
    Ok(settings
        .filter_map(|arg| Setting::new(arg, matches))
        .collect())
}

/// Of a URL what says where it leads; nothing of any other secret.
fn without_secrets(value: &str) -> String {
    // A list of URLs parses as one, with passwords in its path.
    let one = (!value.contains(',')).then(|| Url::parse(value).ok());
    let Some(mut url) = one.flatten() else {
        return HIDDEN.to_owned();
    };
    // Postgres takes a password among the parameters, too.
    url.set_query(None);
    let masked = url.password().is_none() || url.set_password(Some("****")).is_ok();
    if url.has_host() && masked {
        url.into()
    } else {
        HIDDEN.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(settings: &[Setting], variable: &str) -> (Option<String>, &'static str) {
        let found = settings.iter().find(|s| s.variable == variable);
        let found = found.unwrap_or_else(|| panic!("{variable} is a setting"));
        (found.value.clone(), found.source)
    }

    #[test]
    fn each_setting_says_where_it_comes_from() {
        let flags = ["--gateway-max-events", "5"].map(OsString::from).to_vec();
        let settings = settings("gateway", flags).unwrap();
        let of = |variable| setting(&settings, variable);
        assert_eq!(
            of("METERD_GATEWAY_MAX_EVENTS"),
            (Some("5".to_owned()), "flag")
        );
        assert_eq!(
            of("METERD_GATEWAY_BODY_TIMEOUT"),
            (Some("30".to_owned()), "default")
        );
        assert_eq!(of("METERD_LOG"), (Some("info".to_owned()), "default"));
    }

    #[test]
    fn no_secret_is_shown() {
        let flags = [
            "--secret=s3cr3t",
            "--nats-url=nats://meterd:s3cr3t@broker:4222",
            "--postgres-url=postgres://meterd@db/meterd?password=s3cr3t",
        ];
        let settings = settings("query", flags.map(OsString::from).to_vec()).unwrap();
        assert!(!format!("{settings:?}").contains("s3cr3t"));
        let of = |variable| setting(&settings, variable).0.unwrap();
        assert_eq!(of("METERD_SECRET"), HIDDEN);
        assert_eq!(of("METERD_NATS_URL"), "nats://meterd:****@broker:4222");
        assert_eq!(of("METERD_POSTGRES_URL"), "postgres://meterd@db/meterd");
        for odd in ["nats://a:b@one,nats://a:b@two", "host=db password=s3cr3t"] {
            assert_eq!(without_secrets(odd), HIDDEN, "{odd}");
        }
    }

    #[test]
    fn what_a_role_would_refuse_is_refused() {
        let wrong = vec!["--gateway-body-timeout=0".into()];
        assert!(settings("gateway", wrong).is_err());
    }
}
