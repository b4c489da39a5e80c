//! `meterd tail`: events as they are persisted.

use std::collections::HashSet;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt as _, stream};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use sse_stream::SseByteStream;
use tokio::time::{sleep, timeout};

use crate::client::{ApiArgs, Client};

/// How long a server may be away.
const PATIENCE: Duration = Duration::from_mins(1);
/// A stream says something four times as often.
const SILENCE: Duration = Duration::from_mins(1);
/// After this long a stream goes on as another request.
const LONGEST: Duration = Duration::from_hours(24);
/// Before a stream that has ended is opened again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Prints events when they are persisted, each once, as JSON, one a line, and on standard error where some
had to be left out. Goes on where it was when a connection breaks. Ends with Ctrl-C.")]
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

    /// Begin with so many of the last day's latest events
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=1000))]
    lines: u32,

    /// End after this many events
    #[arg(long, value_name = "N")]
    count: Option<usize>,

    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) async fn run(args: TailArgs) -> Result<ExitCode> {
    let mut tail = Tail {
        client: Client::open(&args.api)?,
        left: args.count.unwrap_or(usize::MAX),
        last_id: None,
        listed: HashSet::new(),
        args,
    };
    while tail.follow().await?.is_continue() {
        sleep(PAUSE).await;
    }
    Ok(ExitCode::SUCCESS)
}

struct Tail {
    args: TailArgs,
    client: Client,
    /// Events still to be printed.
    left: usize,
    /// Where the stream is; `None`: it did not begin yet.
    last_id: Option<String>,
    /// Tenants and ids of what was printed at first, some of which the stream has as well.
    listed: HashSet<(String, String)>,
}

impl Tail {
    /// Until the stream ends. `Break`: nobody wants more.
    async fn follow(&mut self) -> Result<ControlFlow<()>> {
        let open = || {
            let request = self.request("/v1/meter/events/stream").timeout(LONGEST);
            match &self.last_id {
                Some(id) => request.header("Last-Event-ID", id),
                None => request,
            }
        };
        let answer = Client::open_patiently(open, PATIENCE).await?;
        let chunks = stream::try_unfold(answer, async |mut answer| {
            let chunk = answer.chunk().await?;
            Ok::<_, reqwest::Error>(chunk.map(|chunk| (chunk, answer)))
        });
        let mut messages = pin!(SseByteStream::new(Box::pin(chunks)));
        while let Ok(Some(Ok(message))) = timeout(SILENCE, messages.next()).await {
            let begins = self.last_id.is_none() && message.id.is_some();
            self.last_id = message.id.or(self.last_id.take());
            // What was persisted before the stream began is listed now, so nothing falls between.
            if begins && self.list().await?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            match (message.event.as_deref(), message.data) {
                (None, Some(event)) => {
                    let event = serde_json::from_str(&event).context("an event is no JSON")?;
                    if !self.listed.remove(&identity(&event)) && self.print(&event).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                (Some("dropped"), Some(which)) => eprintln!("events were left out: {which}"),
                _ => {}
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Prints the latest events, oldest first.
    async fn list(&mut self) -> Result<ControlFlow<()>> {
        if self.args.lines == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        let page = || {
            let request = self.request("/v1/meter/events");
            request.query(&[("limit", self.args.lines)])
        };
        let page = Client::call_patiently(page, PATIENCE).await?;
        let events = page["data"].as_array().context("a listing without data")?;
        for event in events.iter().rev() {
            self.listed.insert(identity(event));
            if self.print(event).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn request(&self, path: &str) -> RequestBuilder {
        let request = self.client.request(Method::GET, path);
        request.query(&[
            ("tenant_id", &self.args.tenant),
            ("resource", &self.args.resource),
            ("feature", &self.args.feature),
        ])
    }

    /// `Break`: it was the last one, or whoever read them has gone, such as `head`.
    fn print(&mut self, event: &Value) -> ControlFlow<()> {
        self.left = self.left.saturating_sub(1);
        if writeln!(std::io::stdout(), "{event}").is_err() || self.left == 0 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

fn identity(event: &Value) -> (String, String) {
    let text = |member: &str| event[member].as_str().unwrap_or_default().to_owned();
    (text("tenant_id"), text("id"))
}
