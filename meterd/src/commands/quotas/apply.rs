//! `meterd quotas apply`: makes what is in force what a file says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use metering_core::quota::Quota;
use reqwest::Method;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Output, PATH, PATIENCE, in_force, read};
use crate::client::{ApiArgs, Client};

/// With `--exit-code`: something was changed, or would be.
const CHANGED: u8 = 4;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct ApplyArgs {
    /// JSON: a quota or an array of them, as `PUT /v1/meter/quotas` takes them; `-` reads standard
    /// input
    file: PathBuf,

    /// Delete the quotas that are not in the file
    #[arg(long, env = "METERD_QUOTAS_PRUNE")]
    prune: bool,

    /// Show what would be changed, and change nothing
    #[arg(long, env = "METERD_QUOTAS_DRY_RUN")]
    dry_run: bool,

    /// End with 4 if anything was changed, or would be
    #[arg(long, env = "METERD_QUOTAS_EXIT_CODE")]
    exit_code: bool,

    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    api: ApiArgs,
}

/// A difference between the file and what is in force.
#[derive(Debug, Serialize)]
struct Change {
    id: Uuid,
    /// null: it is added.
    from: Option<Value>,
    /// null: it is deleted.
    to: Option<Box<RawValue>>,
}

pub(super) async fn run(args: ApplyArgs) -> Result<ExitCode> {
    let wanted = read(&args.file)?;
    let client = Client::open(&args.api)?;
    let changes = differences(wanted, in_force(&client).await?, args.prune)?;
    for change in &changes {
        if !args.dry_run {
            make(&client, change).await?;
        }
        if !args.output.json {
            print(change)?;
        }
    }
    if args.output.json {
        println!("{:#}", json!(changes));
    }
    let done = if args.dry_run { "would be" } else { "were" };
    eprintln!("{} quotas {done} changed", changes.len());
    if args.exit_code && !changes.is_empty() {
        return Ok(CHANGED.into());
    }
    Ok(ExitCode::SUCCESS)
}

fn differences(
    wanted: Vec<(Quota, Box<RawValue>)>,
    in_force: Vec<Value>,
    prune: bool,
) -> Result<Vec<Change>> {
    let mut found = BTreeMap::new();
    for listed in in_force {
        let quota = parse(&listed)?;
        // One that is changing is listed as it was and as it will be.
        if listed["status"] == "warming" || !found.contains_key(&quota.id()) {
            found.insert(quota.id(), (quota, listed));
        }
    }
    let mut changes = Vec::new();
    for (quota, json) in wanted {
        let id = quota.id();
        let from = found.remove(&id);
        if from.as_ref().is_none_or(|(from, _)| *from != quota) {
            changes.push(Change {
                id,
                from: from.map(|(_, listed)| listed),
                to: Some(json),
            });
        }
    }
    let rest = found.into_iter().filter(|_| prune);
    changes.extend(rest.map(|(id, (_, listed))| Change {
        id,
        from: Some(listed),
        to: None,
    }));
    Ok(changes)
}

/// A quota as it is listed.
fn parse(listed: &Value) -> Result<Quota> {
    let mut sent = listed.clone();
    if let Some(members) = sent.as_object_mut() {
        members.remove("id");
        members.remove("status");
    }
    Quota::parse(sent.to_string().as_bytes())
        .context("the server lists a quota that this program does not know; run a newer one")
}

async fn make(client: &Client, change: &Change) -> Result<()> {
    let delete = format!("{PATH}/{}", change.id);
    // Done twice, each of them is done once.
    let request = || match &change.to {
        Some(quota) => client.request(Method::PUT, PATH).json(quota),
        None => client.request(Method::DELETE, &delete),
    };
    Client::call_patiently(request, PATIENCE).await?;
    Ok(())
}

/// As a difference of two texts.
fn print(change: &Change) -> Result<()> {
    if let Some(from) = &change.from {
        println!("- {}", line(from));
    }
    if let Some(to) = &change.to {
        println!("+ {}", line(&serde_json::from_str(to.get())?));
    }
    Ok(())
}

/// What is set, in the order of the documentation.
fn line(quota: &Value) -> String {
    let members = [
        "tenant_id",
        "feature",
        "resource",
        "name",
        "limit",
        "period",
        "timezone",
        "anchor",
        "enforcement",
        "alert_threshold",
    ];
    let set = members.iter().filter(|member| !quota[**member].is_null());
    let set: Vec<_> = set.map(|m| format!("{m}={}", quota[*m])).collect();
    set.join(" ").replace('"', "")
}
