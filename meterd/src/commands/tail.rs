//! `meterd tail`: events as they are persisted.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::Method;
use serde_json::Value;
use service_kit::clock;

use crate::client::{ApiArgs, Client};

/// How long a server may be away.
const PATIENCE: Duration = Duration::from_mins(1);
const PAGE: u32 = 1000;
/// Pages of one look: more events than this at once are not for a person to read.
const MAX_PAGES: usize = 10;

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Prints events whose timestamp is at most --since old when they are persisted, each once, as JSON, one
a line. Ends with Ctrl-C.")]
pub(crate) struct TailArgs {
    /// Only this tenant's
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,

    /// Only of this resource
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<String>,

    /// Only of this feature
    #[arg(long, value_name = "FEATURE")]
    feature: Option<String>,

    /// Begin with events that are this many seconds old
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    since: u32,

    /// Milliseconds between two looks
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(100..))]
    interval: u64,

    /// End after this many events
    #[arg(long, value_name = "N")]
    count: Option<usize>,

    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) async fn run(args: TailArgs) -> Result<ExitCode> {
    let client = Client::open(&args.api)?;
    let filters: Vec<(&str, &str)> = [
        ("tenant_id", &args.tenant),
        ("resource", &args.resource),
        ("feature", &args.feature),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    .collect();
    // When each event that was printed leaves the range that is looked at.
    let mut printed = HashMap::<(String, String), DateTime<Utc>>::new();
    let mut left = args.count.unwrap_or(usize::MAX);
    loop {
        let from = clock::now() - TimeDelta::seconds(args.since.into());
        printed.retain(|_, timestamp| *timestamp >= from);
        for event in look(&client, &filters, from).await? {
            let text = |member: &str| event[member].as_str().unwrap_or_default().to_owned();
            let timestamp = text("timestamp").parse();
            let timestamp = timestamp.context("an event without a timestamp")?;
            let identity = (text("tenant_id"), text("id"));
            if printed.insert(identity, timestamp).is_some() {
                continue;
            }
            if writeln!(std::io::stdout(), "{event}").is_err() {
                // Whoever read it has gone, such as `head`.
                return Ok(ExitCode::SUCCESS);
            }
            left -= 1;
            if left == 0 {
                return Ok(ExitCode::SUCCESS);
            }
        }
        tokio::time::sleep(Duration::from_millis(args.interval)).await;
    }
}

/// The events since `from`, oldest first.
async fn look(
    client: &Client,
    filters: &[(&str, &str)],
    from: DateTime<Utc>,
) -> Result<Vec<Value>> {
    let from = from.to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut events = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let page = || {
            let request = client.request(Method::GET, "/v1/meter/events");
            let request = request.query(&[("from", &from), ("limit", &PAGE.to_string())]);
            let request = request.query(filters);
            request.query(&cursor.as_ref().map(|cursor| [("cursor", cursor)]))
        };
        let mut page = Client::call_patiently(page, PATIENCE).await?;
        if let Value::Array(rows) = page["data"].take() {
            events.extend(rows);
        }
        let Value::String(next) = page["next_cursor"].take() else {
            events.reverse();
            return Ok(events);
        };
        cursor = Some(next);
    }
    eprintln!(
        "only the latest {} events are shown; filter, or shorten --since",
        events.len()
    );
    events.reverse();
    Ok(events)
}
