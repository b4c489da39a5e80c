//! `meterd quotas backtest`: whom quotas would have denied, when and how much.
//!
//! Every event is asked for at its timestamp, in the order of timestamps and ids, by the fold that
//! decides. The events are those of one picture of the log: the first page's cursor pins it. They
//! are read from the beginning of the windows that `--from` lies in, so these are whole.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use metering_core::event::{as_rfc3339, rfc3339};
use metering_core::quota::{ANY, Answer, Backtest, Enforcement, Past, Quota};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_kit::clock;
use uuid::Uuid;

use super::{Output, PATIENCE, read};
use crate::client::{ApiArgs, Client};

/// Events of a page.
const PAGE: &str = "1000";
/// Events that are tried at once, some 100 bytes each: pages come newest first, and the fold begins
/// with the oldest.
const MAX_EVENTS: usize = 10_000_000;
/// Columns and lines of the plot.
const WIDTH: usize = 60;
const HEIGHT: u32 = 8;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct BacktestArgs {
    /// JSON: a quota or an array of them, as `PUT /v1/meter/quotas` takes them; `-` reads standard
    /// input. Each is tried as if its enforcement were hard
    #[arg(long, value_name = "FILE")]
    quota: PathBuf,

    /// From this time on, such as 2025-11-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    from: DateTime<Utc>,

    /// Before this time [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<DateTime<Utc>>,

    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    api: ApiArgs,
}

/// Use that has happened.
struct Use {
    id: Uuid,
    tenant_id: Arc<str>,
    resource: Arc<str>,
    feature: Arc<str>,
    quantity: i64,
    timestamp: DateTime<Utc>,
}

/// What one quota would have denied of one tenant's use of a feature.
#[derive(Debug, Serialize)]
struct Denied {
    tenant_id: Arc<str>,
    feature: Arc<str>,
    quota_id: Uuid,
    name: String,
    limit: i64,
    events: u64,
    quantity: i128,
    #[serde(serialize_with = "as_rfc3339")]
    first: DateTime<Utc>,
    #[serde(serialize_with = "as_rfc3339")]
    last: DateTime<Utc>,
}

pub(super) async fn run(args: BacktestArgs) -> Result<ExitCode> {
    let quotas = read(&args.quota)?.into_iter().map(|(quota, _)| Quota {
        enforcement: Enforcement::Hard,
        ..quota
    });
    let quotas: Vec<_> = quotas.collect();
    let (from, to) = (args.from, args.to.unwrap_or_else(clock::now));
    ensure!(from < to, "--from must be before --to");
    let starts = quotas
        .iter()
        .map(|quota| quota.calendar.window(from).start_us);
    let start = starts.min().context("the file has no quota")?;
    let start = DateTime::from_timestamp_micros(start).context("--from is too early")?;
    let client = Client::open(&args.api)?;
    let uses = uses(&client, &quotas, (start, to)).await?;

    let mut backtest = Backtest::new(&quotas, start);
    let mut report = Report::new(from, to);
    for past in uses.iter().rev() {
        let answer = backtest.ask(Past {
            id: past.id,
            tenant_id: &past.tenant_id,
            resource: &past.resource,
            feature: &past.feature,
            quantity: past.quantity,
            timestamp_us: past.timestamp.timestamp_micros(),
        });
        if let Some(answer) = answer.filter(|_| past.timestamp >= from) {
            report.enter(past, &answer);
        }
    }
    report.print(args.output.json);
    Ok(ExitCode::SUCCESS)
}

/// All use that the quotas may count, newest first.
async fn uses(
    client: &Client,
    quotas: &[Quota],
    (start, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<Use>> {
    let same = |of: fn(&Quota) -> &str| {
        let first = of(quotas.first()?);
        let is_one = first != ANY && quotas.iter().all(|quota| of(quota) == first);
        is_one.then(|| first.to_owned())
    };
    let mut filters = vec![
        ("from", rfc3339(start)),
        ("to", rfc3339(to)),
        ("limit", PAGE.to_owned()),
    ];
    filters.extend(same(|quota| &quota.tenant_id).map(|tenant| ("tenant_id", tenant)));
    filters.extend(same(|quota| &quota.feature).map(|feature| ("feature", feature)));
    let mut names = Names::default();
    let mut uses = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = || {
            let request = client.request(Method::GET, "/v1/meter/events");
            let request = request.query(&filters);
            request.query(&cursor.as_ref().map(|cursor| [("cursor", cursor)]))
        };
        let page = Client::call_patiently(page, PATIENCE).await?;
        let page: Page = serde_json::from_value(page).context("a page of events")?;
        uses.extend(page.data.into_iter().map(|event| Use {
            id: event.id,
            tenant_id: names.shared(event.tenant_id),
            resource: names.shared(event.resource),
            feature: names.shared(event.feature),
            quantity: event.quantity,
            timestamp: event.timestamp,
        }));
        ensure!(
            uses.len() <= MAX_EVENTS,
            "there are more than {MAX_EVENTS} events: bring --from and --to closer together, or \
             name a tenant and a feature in the quota"
        );
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(uses);
        }
    }
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Listed>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    id: Uuid,
    tenant_id: String,
    resource: String,
    feature: String,
    quantity: i64,
    timestamp: DateTime<Utc>,
}

/// Each name once: there are millions of events and few names.
#[derive(Default)]
struct Names(std::collections::HashSet<Arc<str>>);

impl Names {
    fn shared(&mut self, name: String) -> Arc<str> {
        if let Some(known) = self.0.get(name.as_str()) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        self.0.insert(name.clone());
        name
    }
}

struct Report {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    asked: u64,
    denied: BTreeMap<(Arc<str>, Arc<str>, Uuid), Denied>,
    /// Units denied, from left to right.
    columns: Vec<i128>,
}

impl Report {
    fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self {
            from,
            to,
            asked: 0,
            denied: BTreeMap::new(),
            columns: vec![0; WIDTH],
        }
    }

    fn enter(&mut self, past: &Use, answer: &Answer) {
        self.asked += 1;
        let Some(limit) = answer.binding().filter(|_| !answer.allowed) else {
            return;
        };
        let key = (past.tenant_id.clone(), past.feature.clone(), limit.quota_id);
        let entry = self.denied.entry(key).or_insert_with(|| Denied {
            tenant_id: past.tenant_id.clone(),
            feature: past.feature.clone(),
            quota_id: limit.quota_id,
            name: limit.name.clone(),
            limit: limit.limit,
            events: 0,
            quantity: 0,
            first: past.timestamp,
            last: past.timestamp,
        });
        entry.events += 1;
        entry.quantity += i128::from(past.quantity);
        entry.last = past.timestamp;
        let column = self.column(past.timestamp);
        self.columns[column] += i128::from(past.quantity);
    }

    fn column(&self, timestamp: DateTime<Utc>) -> usize {
        let since = |time: DateTime<Utc>| {
            i128::from((time - self.from).num_microseconds().unwrap_or(i64::MAX))
        };
        let column = since(timestamp) * WIDTH as i128 / since(self.to).max(1);
        usize::try_from(column).unwrap_or(0).min(WIDTH - 1)
    }

    fn print(&self, as_json: bool) {
        let denied: u64 = self.denied.values().map(|denied| denied.events).sum();
        let quantity: i128 = self.denied.values().map(|denied| denied.quantity).sum();
        if as_json {
            let denied_by: Vec<_> = self.denied.values().collect();
            let report: Value = json!({
                "from": rfc3339(self.from), "to": rfc3339(self.to), "asked": self.asked,
                "denied": denied, "quantity": quantity, "data": denied_by,
            });
            println!("{report:#}");
            return;
        }
        eprintln!(
            "{denied} of {} events would have been denied, {quantity} units",
            self.asked
        );
        if denied == 0 {
            return;
        }
        println!(
            "{:<20}  {:<24}  {:<12}  {:>12}  {:>8}  {:>12}  {:<20}  LAST",
            "TENANT", "FEATURE", "QUOTA", "LIMIT", "EVENTS", "UNITS", "FIRST"
        );
        for denied in self.denied.values() {
            println!(
                "{:<20}  {:<24}  {:<12}  {:>12}  {:>8}  {:>12}  {:<20}  {}",
                denied.tenant_id,
                denied.feature,
                denied.name,
                denied.limit,
                denied.events,
                denied.quantity,
                second(denied.first),
                second(denied.last),
            );
        }
        eprintln!("\n{}", self.plot());
    }

    fn plot(&self) -> String {
        #[expect(clippy::cast_precision_loss, reason = "a plot has eight lines")]
        let columns = self.columns.iter().map(|units| *units as f64).collect();
        let (from, to) = (second(self.from), second(self.to));
        let caption = format!("units denied, from {from} to {to}");
        let config = rasciigraph::Config::default()
            .with_height(HEIGHT)
            .with_caption(caption);
        rasciigraph::plot(columns, config)
    }
}

fn second(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
