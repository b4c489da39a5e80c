//! `meterd quotas`: limits in files, and what they would have denied.

mod apply;
mod backtest;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use metering_core::quota::Quota;
use reqwest::Method;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::client::{ApiArgs, Client};

const PATH: &str = "/v1/meter/quotas";
/// How long a server is waited for that is away for a moment, or counts a new quota's past.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct QuotasArgs {
    #[command(subcommand)]
    command: QuotasCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum QuotasCommand {
    /// Set the quotas of a file, those that differ from what is in force
    Apply(apply::ApplyArgs),
    /// List the quotas in force
    List(ListArgs),
    /// Tell whom quotas of a file would have denied, when and how much
    Backtest(backtest::BacktestArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Clone, Debug, clap::Args)]
struct Output {
    /// Print JSON
    #[arg(long, env = "METERD_JSON")]
    json: bool,
}

pub(crate) async fn run(args: QuotasArgs) -> Result<ExitCode> {
    match args.command {
        QuotasCommand::Apply(args) => apply::run(args).await,
        QuotasCommand::List(args) => list(args).await,
        QuotasCommand::Backtest(args) => backtest::run(args).await,
    }
}

async fn list(args: ListArgs) -> Result<ExitCode> {
    let quotas = in_force(&Client::open(&args.api)?).await?;
    if args.output.json {
        println!("{:#}", Value::Array(quotas));
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{:<36}  {:<20}  {:<24}  {:>16}  {:<8}  {:<11}  {:<7}  ZONE",
        "ID", "TENANT", "FEATURE", "LIMIT", "PERIOD", "ENFORCEMENT", "STATUS"
    );
    for quota in &quotas {
        let text = |member: &str| quota[member].as_str().unwrap_or_default();
        println!(
            "{:<36}  {:<20}  {:<24}  {:>16}  {:<8}  {:<11}  {:<7}  {}",
            text("id"),
            text("tenant_id"),
            text("feature"),
            quota["limit"],
            text("period"),
            text("enforcement"),
            text("status"),
            text("timezone"),
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The quotas that the server lists.
async fn in_force(client: &Client) -> Result<Vec<Value>> {
    let request = || client.request(Method::GET, PATH);
    let mut answer = Client::call_patiently(request, PATIENCE).await?;
    match answer["data"].take() {
        Value::Array(quotas) => Ok(quotas),
        _ => bail!("the server's list of quotas has no `data`"),
    }
}

/// The quotas of a file, or of standard input where that is `-`: one, or an array of them, as the
/// server takes them.
fn read(file: &Path) -> Result<Vec<(Quota, Box<RawValue>)>> {
    let name = file.display();
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.with_context(|| format!("cannot read {name}"))?;
    let several = text.trim_start().starts_with('[');
    let parsed: serde_json::Result<Vec<Box<RawValue>>> = if several {
        serde_json::from_str(&text)
    } else {
        serde_json::from_str(&text).map(|one| vec![one])
    };
    let parsed = parsed.with_context(|| format!("{name} is no JSON"))?;
    let mut quotas: Vec<(Quota, _)> = Vec::with_capacity(parsed.len());
    for (number, json) in (1..).zip(parsed) {
        let quota = Quota::parse(json.get().as_bytes())
            .with_context(|| format!("quota {number} of {name}"))?;
        if quotas.iter().any(|(other, _)| other.id() == quota.id()) {
            bail!(
                "quota {number} of {name} has tenant, feature, resource and period of another one"
            );
        }
        quotas.push((quota, json));
    }
    Ok(quotas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_quota_or_several_and_none_twice() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let read = |text: &str| {
            let file = directory.path().join("quotas.json");
            std::fs::write(&file, text).expect("a writable directory");
            read(&file).map(|quotas| quotas.len())
        };
        let one = r#"{"tenant_id": "t", "feature": "f", "limit": 1, "period": "daily"}"#;
        let other = r#"{"tenant_id": "t", "feature": "f", "limit": 1, "period": "hourly"}"#;
        assert_eq!(read(one).ok(), Some(1));
        assert_eq!(read(&format!("\n[{one}, {other}]")).ok(), Some(2));
        for (text, reason) in [
            (format!("[{one}, {one}]"), "quota 2"),
            (format!("[{one}, {{}}]"), "quota 2"),
            (one.replace("daily", "sometimes"), "period must be"),
            (
                one.replace("\"t\"", "\"t\", \"tenant_id\": \"u\""),
                "duplicate",
            ),
            ("[".to_owned(), "no JSON"),
            (String::new(), "no JSON"),
        ] {
            let error = format!("{:#}", read(&text).expect_err(&text));
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
