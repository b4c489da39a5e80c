//! `meterd send`: events from a file or a pipe, each counted once however often it is sent.

mod identity;
mod input;
mod resume;
mod tally;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use metering_core::code::Refusal;
use metering_core::new_event::parse_event;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use service_kit::clock;

use self::identity::{Place, with_id};
use self::input::{Format, Line, Lines};
use self::resume::Resume;
use self::tally::{Counts, Tally};
use crate::client::{ApiArgs, ApiError, Client};

/// Bytes of a request, far below what a gateway takes.
const MAX_BATCH_BYTES: usize = 2 * 1024 * 1024;
const STANDARD_INPUT: &str = "-";
/// Later than any event: which ones lie in the future is for the server's clock to say.
const ANY_TIME: DateTime<Utc> = match DateTime::from_timestamp(300_000_000_000, 0) {
    Some(time) => time,
    None => DateTime::<Utc>::UNIX_EPOCH,
};

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
An event without an id gets one from what the input holds up to it: sending the same input again
counts nothing twice, and one that has grown counts what is new. To stop it in the middle is safe;
the next run goes on where it was (see --resume).

Exit code 1: some lines were refused; they are named on standard error, the others are counted.")]
pub(crate) struct SendArgs {
    /// The file with the events; `-` is standard input
    #[arg(default_value = STANDARD_INPUT, value_name = "FILE")]
    file: PathBuf,

    /// How the events are written down [default: csv for names that end so, else ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Check every line on this machine and send nothing
    #[arg(long)]
    dry_run: bool,

    /// Events of one request
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,

    /// Where to keep how far it got, until it is done [default: beside FILE; for standard input:
    /// nowhere]
    #[arg(long, value_name = "STATE")]
    resume: Option<PathBuf>,

    /// Write refused lines here, as JSON with line, code, detail and event, not to standard error
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,

    /// Seconds to go on trying while the server does not take events
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,

    /// Print what was done as JSON
    #[arg(long, env = "METERD_JSON")]
    json: bool,

    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) async fn run(args: SendArgs) -> Result<ExitCode> {
    let started = Instant::now();
    let bar = bar(&args.file)?;
    let lines = open(&args, &bar)?;
    let tally = if args.dry_run {
        check(lines, &args)?
    } else {
        let client = Client::open(&args.api)?;
        let resume = Resume::open(
            args.resume.clone().or_else(|| beside(&args.file)),
            client.url(),
        )?;
        let mut sending = Sending {
            client,
            patience: Duration::from_secs(args.patience),
            tally: Tally::open(args.rejected.as_deref(), resume.counts())?,
            place: Place::default(),
            batch: Batch::default(),
            resume,
        };
        sending.send(lines, args.batch as usize).await?;
        sending.resume.done()?;
        sending.tally
    };
    bar.finish_and_clear();
    Ok(tally.print(args.json, args.dry_run, started.elapsed()))
}

/// A bar on a terminal, nothing elsewhere.
fn bar(file: &Path) -> Result<ProgressBar> {
    let size = std::fs::metadata(file)
        .ok()
        .filter(std::fs::Metadata::is_file);
    let (bar, template) = match size {
        Some(file) => (
            ProgressBar::new(file.len()),
            "{bar:40} {percent}% {binary_bytes_per_sec} {eta} left",
        ),
        None => (
            ProgressBar::no_length(),
            "{spinner} {binary_bytes} {binary_bytes_per_sec}",
        ),
    };
    Ok(bar.with_style(ProgressStyle::with_template(template)?))
}

type Input = Lines<indicatif::ProgressBarIter<Box<dyn Read>>>;

fn open(args: &SendArgs, bar: &ProgressBar) -> Result<Input> {
    let name = args.file.display();
    let input: Box<dyn Read> = if args.file == Path::new(STANDARD_INPUT) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&args.file).with_context(|| format!("cannot open {name}"))?)
    };
    let is_csv = args
        .file
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    let format = args
        .format
        .unwrap_or(if is_csv { Format::Csv } else { Format::Ndjson });
    Lines::open(bar.wrap_read(input), format)
        .with_context(|| format!("{name} has no header that can be read"))
}

/// Where the state of a file is kept, unless it is not a file.
fn beside(file: &Path) -> Option<PathBuf> {
    let mut name = file.file_name()?.to_owned();
    name.push(".meterd-send");
    file.is_file().then(|| file.with_file_name(name))
}

/// What the server would say, as far as that can be known here.
fn check(lines: Input, args: &SendArgs) -> Result<Tally> {
    let mut tally = Tally::open(args.rejected.as_deref(), Counts::default())?;
    for line in lines {
        let Line { number, event } = line.context("cannot read on")?;
        tally.counts.read += 1;
        let text = event.as_deref().ok();
        let checked = event.as_ref().map_err(Clone::clone);
        match checked.and_then(|event| parse_event(event, clock::now()).map(|_| ())) {
            Ok(()) => tally.counts.accepted += 1,
            Err(Refusal { code, detail }) => tally.reject(number, code.as_str(), &detail, text)?,
        }
    }
    Ok(tally)
}

/// Events on their way, with the number of each one's line.
#[derive(Default)]
struct Batch {
    lines: Vec<u64>,
    events: Vec<String>,
    bytes: usize,
}

struct Sending {
    client: Client,
    patience: Duration,
    tally: Tally,
    place: Place,
    batch: Batch,
    resume: Resume,
}

impl Sending {
    async fn send(&mut self, lines: Input, most: usize) -> Result<()> {
        let mut read = 0;
        for line in lines {
            let line = line.context("cannot read on")?;
            read += 1;
            if read <= self.resume.counts().read {
                self.pass(line.event.as_deref().unwrap_or_default(), read)?;
                continue;
            }
            self.take(line)?;
            if self.batch.events.len() >= most || self.batch.bytes >= MAX_BATCH_BYTES {
                self.flush().await?;
            }
        }
        self.flush().await
    }

    /// Past a line that an earlier run has dealt with.
    fn pass(&mut self, event: &str, read: u64) -> Result<()> {
        self.place.pass(event);
        self.resume.check(read, &self.place)
    }

    fn take(&mut self, Line { number, event }: Line) -> Result<()> {
        self.tally.counts.read += 1;
        let text = event.as_deref().ok();
        self.place.pass(text.unwrap_or_default());
        let checked = event.as_deref().map_err(Clone::clone).and_then(|text| {
            let id = parse_event(text, ANY_TIME)?.id;
            Ok(id.map_or_else(|| with_id(text, self.place.id()), |_| text.to_owned()))
        });
        match checked {
            Ok(event) => {
                self.batch.bytes += event.len() + 1;
                self.batch.lines.push(number);
                self.batch.events.push(event);
            }
            Err(Refusal { code, detail }) => {
                self.tally.reject(number, code.as_str(), &detail, text)?;
            }
        }
        Ok(())
    }

    /// Sends the batch until it is answered, and notes how far it got.
    async fn flush(&mut self) -> Result<()> {
        let Batch { lines, events, .. } = std::mem::take(&mut self.batch);
        if !events.is_empty() {
            let body = format!("[{}]", events.join(","));
            let request = || {
                let request = self.client.request(Method::POST, "/v1/meter/events");
                request
                    .header("content-type", "application/json")
                    .body(body.clone())
            };
            let answer = match Client::call_patiently(request, self.patience).await {
                Ok(answer) => answer,
                Err(ApiError::Refused {
                    status: StatusCode::UNPROCESSABLE_ENTITY,
                    mut problem,
                    ..
                }) if problem["errors"].is_array() => {
                    serde_json::json!({ "rejected": problem["errors"].take() })
                }
                Err(error) => {
                    return Err(error).context("not all events were sent; run it again to go on");
                }
            };
            self.note(&answer, &lines, &events)?;
        }
        self.resume.save(self.tally.counts, &self.place)
    }

    fn note(&mut self, answer: &Value, lines: &[u64], events: &[String]) -> Result<()> {
        self.tally.counts.accepted += answer["accepted"].as_u64().unwrap_or(0);
        self.tally.counts.duplicates += answer["duplicates"].as_u64().unwrap_or(0);
        for rejected in answer["rejected"].as_array().into_iter().flatten() {
            let index = rejected["index"]
                .as_u64()
                .and_then(|index| usize::try_from(index).ok());
            let found = index.and_then(|index| lines.get(index).zip(events.get(index)));
            let Some((line, event)) = found else {
                bail!("meterd refused an event that was not sent: {rejected}");
            };
            let text = |member: &str| rejected[member].as_str().unwrap_or_default();
            self.tally
                .reject(*line, text("code"), text("detail"), Some(event))?;
        }
        Ok(())
    }
}
