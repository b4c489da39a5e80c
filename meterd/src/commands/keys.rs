//! `meterd keys`: API keys.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};
use service_kit::key::ApiKeySecret;

use crate::client::{ApiArgs, Client};

const PATH: &str = "/v1/meter/keys";
/// Keys of a page.
const PAGE: &str = "1000";
/// How long listing and deleting wait for a server that is away for a moment.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum KeysCommand {
    /// Make a key and print its secret, which is shown this once
    Create(CreateArgs),
    /// List keys, newest first
    List(ListArgs),
    /// Delete a key: it stops working everywhere
    Delete(DeleteArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct CreateArgs {
    /// What it is for, in your words
    name: String,

    /// What it may do
    #[arg(
        long = "scope",
        value_name = "SCOPE",
        required = true,
        value_delimiter = ','
    )]
    scopes: Vec<ScopeName>,

    /// The only tenant it may read and write
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,

    /// When it ends, such as 2027-01-01T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,

    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScopeName {
    /// Post events
    Ingest,
    /// Read events and aggregates
    Read,
    /// Check and take quota
    Validate,
    /// Everything, keys included
    Admin,
}

#[derive(Clone, Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Clone, Debug, clap::Args)]
struct DeleteArgs {
    /// The key's id, the twelve characters after `mk_`
    #[arg(value_parser = id)]
    id: String,

    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Clone, Debug, clap::Args)]
struct Output {
    /// Print JSON
    #[arg(long, env = "METERD_JSON")]
    json: bool,
}

pub(crate) async fn run(args: KeysArgs) -> Result<ExitCode> {
    match args.command {
        KeysCommand::Create(args) => create(args).await?,
        KeysCommand::List(args) => list(args).await?,
        KeysCommand::Delete(args) => delete(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(args: CreateArgs) -> Result<()> {
    let client = Client::open(&args.api)?;
    let scopes: Vec<_> = args
        .scopes
        .iter()
        .filter_map(|scope| Some(scope.to_possible_value()?.get_name().to_owned()))
        .collect();
    let body = json!({
        "name": args.name,
        "scopes": scopes,
        "tenant_id": args.tenant,
        "expires_at": args.expires_at,
    });
    // Once: done twice it would make two keys.
    let made = Client::call(client.request(Method::POST, PATH).json(&body)).await?;
    if args.output.json {
        println!("{made:#}");
    } else {
        println!("{}", text(&made, "secret"));
        eprintln!(
            "made the key {}; this is its secret, keep it: it is not shown again",
            text(&made, "id")
        );
    }
    Ok(())
}

async fn list(args: ListArgs) -> Result<()> {
    let client = Client::open(&args.api)?;
    let mut keys = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = || {
            let request = client.request(Method::GET, PATH).query(&[("limit", PAGE)]);
            request.query(&cursor.as_ref().map(|cursor| [("cursor", cursor)]))
        };
        let mut page = Client::call_patiently(page, PATIENCE).await?;
        if let Value::Array(rows) = page["data"].take() {
            keys.extend(rows);
        }
        match page["next_cursor"].take() {
            Value::String(next) => cursor = Some(next),
            _ => break,
        }
    }
    if args.output.json {
        println!("{:#}", Value::Array(keys));
        return Ok(());
    }
    println!(
        "{:<12}  {:<28}  {:<20}  {:<20}  {:<20}  NAME",
        "ID", "SCOPES", "TENANT", "EXPIRES", "LAST USED"
    );
    for key in &keys {
        let scopes = key["scopes"].as_array().into_iter().flatten();
        let scopes: Vec<_> = scopes.filter_map(Value::as_str).collect();
        println!(
            "{:<12}  {:<28}  {:<20}  {:<20}  {:<20}  {}",
            text(key, "id"),
            scopes.join(","),
            key["tenant_id"].as_str().unwrap_or("all"),
            minute(key, "expires_at"),
            minute(key, "last_used_at"),
            text(key, "name"),
        );
    }
    Ok(())
}

async fn delete(args: DeleteArgs) -> Result<()> {
    let client = Client::open(&args.api)?;
    let path = format!("{PATH}/{}", args.id);
    let request = || client.request(Method::DELETE, &path);
    Client::call_patiently(request, PATIENCE).await?;
    eprintln!("deleted the key {}", args.id);
    Ok(())
}

fn id(text: &str) -> Result<String, &'static str> {
    if ApiKeySecret::is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("an id has twelve characters, 0 to 9 and a to f; see `meterd keys list`")
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// A time without its seconds.
fn minute(value: &Value, member: &str) -> String {
    let time = value[member].as_str().and_then(|time| time.get(..16));
    time.map_or_else(|| "never".to_owned(), |time| format!("{time}Z"))
}
