//! What `meterd up` does on this machine: how many events a second, how fast the 202s come, and
//! whether what was acknowledged is counted, each event once.

mod check;
mod cpu;
mod event;
mod load;
mod query;
mod quota;
mod report;
mod system;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::event::Source;
use crate::load::{Client, Phase};
use crate::query::Answered;
use crate::quota::Asked;
use crate::report::Measured;
use crate::system::Meterd;

/// For orientation only, so short.
const FLAT_OUT: Duration = Duration::from_secs(10);

/// Measure meterd on this machine
///
/// Starts `meterd up` on fresh data in a temporary directory, sends it events at a steady pace,
/// and waits after each phase until everything acknowledged is visible and checks that each
/// event counts once. Prints one table. Latencies run from the moment a request was due, not from
/// when a connection became free for it.
///
/// Exit code 1: an event was lost or counted twice, a target rate was not reached, or it could not
/// be measured.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// meterd to measure [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    meterd: Option<PathBuf>,

    /// Length of each paced phase
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,

    /// Connections, each with one request at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,

    /// Also ask for 1,000 quota decisions a second beside 1,000 events a second: checks, then
    /// consumes
    #[arg(long)]
    quotas: bool,

    /// Also send so many million events of the last 30 days and measure queries over them
    #[arg(long, value_name = "MILLIONS", value_parser = clap::value_parser!(u32).range(1..=100))]
    queries: Option<u32>,

    /// Also send as fast as the answers come, 10 s single and 10 s in batches
    #[arg(long)]
    flat_out: bool,
}

impl Args {
    fn phases(&self) -> Vec<Phase> {
        let length = Duration::from_secs(self.seconds.into());
        let phase = |name, batch, target, length| Phase {
            name,
            batch,
            target,
            length,
            connections: self.connections,
        };
        let mut phases = vec![
            phase("single", 1, Some(1_000), length),
            phase("batch", 100, Some(20_000), length),
        ];
        if self.flat_out {
            phases.push(phase("single, flat out", 1, None, FLAT_OUT));
            phases.push(phase("batch, flat out", 100, None, FLAT_OUT));
        }
        phases
    }

    /// The events beside which decisions are asked for.
    fn decisions(&self) -> Option<Phase> {
        self.quotas.then(|| Phase {
            name: "beside decisions",
            batch: 1,
            target: Some(1_000),
            length: Duration::from_secs(self.seconds.into()),
            connections: self.connections,
        })
    }

    /// Events that queries are measured over.
    fn events(&self) -> Option<u64> {
        self.queries.map(|millions| u64::from(millions) * 1_000_000)
    }

    fn meterd(&self) -> Result<PathBuf> {
        match &self.meterd {
            Some(path) => Ok(path.clone()),
            None => Ok(std::env::current_exe()
                .context("cannot tell which program this is: name a meterd with --meterd")?
                .with_file_name("meterd")),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<ExitCode> {
    let machine = report::machine();
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let meterd = Meterd::start(&args.meterd()?).await?;
    let measured = tokio::select! {
        measured = Box::pin(measure(&meterd, &args)) => measured,
        _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow::anyhow!("asked to stop")),
    };
    let Found {
        measured,
        asked,
        answered,
    } = match measured {
        Ok(measured) => {
            meterd.stop().await?;
            measured
        }
        Err(error) => {
            let log = meterd.log_tail();
            meterd.stop().await?;
            bail!("{error:#}; meterd's log ends with:\n{log}");
        }
    };
    print!("{machine}\n{}", report::table(&measured));
    if !asked.is_empty() {
        print!("\n{}", quota::table(&asked));
    }
    if let Some(events) = args.events() {
        print!("\n{}", query::table(events, &answered));
    }
    let failures: Vec<String> = measured.iter().flat_map(Measured::failures).collect();
    for failure in &failures {
        println!("FAILED  {failure}");
    }
    Ok(if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All that was measured.
#[derive(Default)]
struct Found {
    measured: Vec<Measured>,
    asked: Vec<Asked>,
    answered: Vec<Answered>,
}

async fn measure(meterd: &Meterd, args: &Args) -> Result<Found> {
    let client = Client::new(meterd)?;
    let source = Source::start();
    let mut sent = 0;
    let mut found = Found::default();
    for phase in args.phases() {
        let one = Box::pin(measure_one(meterd, &client, &source, &phase, sent)).await?;
        sent += one.load.events;
        found.measured.push(one);
    }
    if let Some(phase) = args.decisions() {
        quota::limit_all(&client).await?;
        for mode in ["check", "consume"] {
            let events = Box::pin(measure_one(meterd, &client, &source, &phase, sent));
            let questions = quota::ask(client.clone(), mode, phase.length);
            let (one, answers) = tokio::try_join!(events, questions)?;
            sent += one.load.events;
            found.measured.push(one);
            found.asked.push(answers);
        }
    }
    if let Some(events) = args.events() {
        found.answered = query::run(&client, events, source.started_at()).await?;
    }
    Ok(found)
}

/// Sends a phase's events, the first of which is number `sent`, and checks what they add up to.
async fn measure_one(
    meterd: &Meterd,
    client: &Client,
    source: &Source,
    phase: &Phase,
    sent: u64,
) -> Result<Measured> {
    eprintln!("{}: {} s …", phase.name, phase.length.as_secs());
    let cpu_before = cpu::Used::read(&meterd.pids)?;
    let load = load::run(client, source, phase, sent).await?;
    let check = check::run(client, source, sent + load.events, load.last_ack).await?;
    let cpu = cpu::Used::read(&meterd.pids)?.since(&cpu_before);
    Ok(Measured {
        phase: phase.clone(),
        wall: load.started.elapsed(),
        load,
        check,
        cpu,
    })
}
