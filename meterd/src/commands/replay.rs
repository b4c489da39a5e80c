//! `meterd replay`: the usage projection made again, from its snapshot and the log.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use metering_core::envelope::{self, EncodedRecord};
use metering_core::position::message_hash;
use metering_core::{Position, Record};
use metering_log::{Backend as _, NatsBackend, topology};
use metering_store::progress::{self, USAGE};
use metering_store::rebuild::{self, Difference};
use metering_store::sqlx::PgConnection;
use metering_store::{Store, usage_day};
use serde_json::{Value, json};
use service_kit::clock;
use uuid::Uuid;

use crate::connect::{log_to_look_at, store};
use crate::embedded::datadir::DataDirArgs;
use crate::embedded::roster::Ready;

/// How long a partition may stand still before nobody seems to read it.
const STANDSTILL: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
The snapshot of the usage projection are its raw events and their keys. Replay makes every sum again
from them, a day at a time and while no worker writes, and then lets the workers read again what the
log still has. Nothing is counted twice, because each event's key is there; the counter of duplicates
grows by what was read again. Workers go on meanwhile and catch up afterwards.

Exit code 1: sums were found that are not what the events say (with --dry-run), or that could not be
repaired.")]
pub(crate) struct ReplayArgs {
    /// Compare only: print the sums that are not what the events say
    #[arg(long)]
    dry_run: bool,

    /// Print the differences as JSON, one a line
    #[arg(long, env = "METERD_JSON")]
    json: bool,

    /// What the workers' setting of this name says: what lies further back in the log may be gone
    /// at any time and is not read again
    #[arg(
        long = "worker-trim-margin",
        env = "METERD_WORKER_TRIM_MARGIN",
        value_name = "N",
        default_value_t = 1_000
    )]
    trim_margin: u64,

    /// Postgres database, together with NATS [default: those of the `meterd up` of the data directory]
    #[arg(
        long,
        env = "METERD_POSTGRES_URL",
        value_name = "URL",
        requires = "nats_url",
        hide_env_values = true
    )]
    postgres_url: Option<String>,

    /// NATS broker with the log
    #[arg(
        long,
        env = "METERD_NATS_URL",
        value_name = "URL",
        requires = "postgres_url",
        hide_env_values = true
    )]
    nats_url: Option<String>,

    /// The monitoring address of that broker
    #[arg(
        long,
        env = "METERD_NATS_MONITOR_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    nats_monitor_url: Option<String>,

    #[command(flatten)]
    data_dir: DataDirArgs,
}

pub(crate) async fn run(args: ReplayArgs) -> Result<ExitCode> {
    let servers = servers(&args)?;
    let store = store(&servers.postgres, 2).await?;
    store.check_schema().await?;
    let rebuilt = rebuild(&store, args.dry_run, args.json).await?;
    if args.dry_run {
        rebuilt.print("differ from their events");
        return Ok(exit_code(rebuilt.different));
    }
    rebuilt.print("were made again");
    let log = log_to_look_at(servers.nats, servers.nats_monitor).await?;
    let mut conn = store.pool().acquire().await?;
    let applied = progress::list_sequences(&mut conn).await?;
    drop(conn);
    for row in applied.iter().filter(|row| row.projection == USAGE) {
        read_again(&store, &log, row.partition, args.trim_margin).await?;
    }
    let after = rebuild(&store, true, args.json).await?;
    ensure!(
        after.different == after.kept,
        "after the log was read again {} sums differ from their events; this should not be: keep the database as it is, and report it",
        after.different - after.kept
    );
    Ok(exit_code(after.kept))
}

fn exit_code(bad: usize) -> ExitCode {
    ExitCode::from(u8::from(bad > 0))
}

/// URLs.
struct Servers {
    postgres: String,
    nats: String,
    nats_monitor: Option<String>,
}

/// Those that were named, or those of the data directory.
fn servers(args: &ReplayArgs) -> Result<Servers> {
    if let (Some(postgres), Some(nats)) = (&args.postgres_url, &args.nats_url) {
        return Ok(Servers {
            postgres: postgres.clone(),
            nats: nats.clone(),
            nats_monitor: args.nats_monitor_url.clone(),
        });
    }
    let (dir, _) = args.data_dir.locate()?;
    let ready = Ready::read(&dir)?.with_context(|| {
        format!(
            "no meterd is ready on {}: start one with `meterd up`, or set METERD_POSTGRES_URL and METERD_NATS_URL",
            dir.root().display()
        )
    })?;
    Ok(Servers {
        postgres: ready.postgres_url,
        nats: ready.nats_url,
        nats_monitor: ready.nats_monitor_url,
    })
}

#[derive(Debug, Default)]
struct Rebuilt {
    days: usize,
    different: usize,
    /// Those that differ because the day's events are elsewhere.
    kept: usize,
}

impl Rebuilt {
    fn print(&self, what: &str) {
        eprintln!(
            "{} days compared: {} sums {what}",
            self.days,
            self.different - self.kept
        );
        if self.kept > 0 {
            eprintln!(
                "{} sums are of days that have no raw events any more and stay as they are",
                self.kept
            );
        }
    }
}

/// Compares every day and, unless it is only to be compared, repairs it.
async fn rebuild(store: &Store, dry_run: bool, json: bool) -> Result<Rebuilt> {
    let mut conn = store.pool().acquire().await?;
    let days = rebuild::list_days(&mut conn).await?;
    drop(conn);
    let mut rebuilt = Rebuilt {
        days: days.len(),
        ..Rebuilt::default()
    };
    let bar = indicatif::ProgressBar::new(days.len() as u64);
    for day in days {
        let mut tx = store.pool().begin().await?;
        if dry_run {
            // Two statements would see two moments.
            rebuild::see_one_moment(&mut tx).await?;
        } else {
            rebuild::stop_writers(&mut tx).await?;
        }
        let differences = rebuild::compare(&mut tx, day).await?;
        let has_events = differences.is_empty() || rebuild::has_events(&mut tx, day).await?;
        rebuilt.different += differences.len();
        if !has_events {
            rebuilt.kept += differences.len();
        }
        for difference in &differences {
            if !dry_run && has_events {
                rebuild::repair(&mut tx, difference).await?;
            }
            let shown = show(&mut tx, difference).await?;
            bar.suspend(|| print_difference(&shown, json));
        }
        if !dry_run && has_events && !differences.is_empty() {
            usage_day::touch(&mut tx, 0, &[day.date_naive()], clock::now()).await?;
        }
        tx.commit().await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(rebuilt)
}

async fn show(conn: &mut PgConnection, difference: &Difference) -> Result<Value> {
    let tenant = match difference.tenant_id {
        Some(id) => rebuild::find_name(conn, id).await?,
        None => None,
    };
    let sum = |sum: Option<rebuild::Sum>| {
        sum.map(
            |sum| json!({ "total_quantity": sum.total_quantity, "event_count": sum.event_count }),
        )
    };
    Ok(json!({
        "window_start": difference.window_start,
        "minutes": difference.granularity,
        "tenant_id": tenant,
        "partition": difference.partition,
        "resource": rebuild::find_name(conn, difference.resource_id).await?,
        "feature": rebuild::find_name(conn, difference.feature_id).await?,
        "expected": sum(difference.expected),
        "found": sum(difference.found),
    }))
}

fn print_difference(difference: &Value, json: bool) {
    if json {
        println!("{difference}");
        return;
    }
    let text = |member: &str| difference[member].as_str().unwrap_or_default().to_owned();
    let whose = match difference["tenant_id"].as_str() {
        Some(tenant) => tenant.to_owned(),
        None => format!("partition {}", difference["partition"]),
    };
    println!(
        "{} +{} min  {whose}  {}  {}: is {}, should be {}",
        text("window_start"),
        difference["minutes"],
        text("resource"),
        text("feature"),
        difference["found"],
        difference["expected"],
    );
}

/// Moves the position back to the beginning of what the log keeps, and waits until a worker has read
/// to its end.
async fn read_again(store: &Store, log: &NatsBackend, partition: u16, margin: u64) -> Result<()> {
    let mut tx = store.pool().begin().await?;
    rebuild::stop_writers(&mut tx).await?;
    let Some(found) = progress::find(&mut tx, USAGE, partition).await? else {
        return Ok(());
    };
    let from = found.position;
    let to = beginning(log, partition, from, margin).await?;
    let step = (from, to);
    let moved = progress::compare_and_set(&mut tx, USAGE, partition, step, None, clock::now());
    ensure!(
        moved.await?,
        "the position of partition {partition} moved although it was locked"
    );
    tx.commit().await?;
    let messages = from.seq - to.seq;
    eprintln!("partition {partition}: reading {messages} messages again");
    // A worker that has nothing to write would not look at its position.
    let end = append_barrier(log, partition).await?;
    wait_until(store, partition, end).await
}

/// A record that says nothing. Returns its message's sequence.
async fn append_barrier(log: &NatsBackend, partition: u16) -> Result<u64> {
    let nonce = Uuid::new_v4();
    let record = EncodedRecord::new(&Record::Barrier { nonce });
    let sent_at_us = clock::now().timestamp_micros();
    let payload = envelope::encode(topology::GENERATION, sent_at_us, [&record].into_iter());
    let appended = log.publish(partition, nonce.to_string(), payload.into());
    appended.await.context("cannot append to the log")
}

/// The position before the first message that will still be there when a worker reads it.
async fn beginning(
    log: &NatsBackend,
    partition: u16,
    from: Position,
    margin: u64,
) -> Result<Position> {
    let info = log
        .info(partition)
        .await
        .context("cannot look at the log")?;
    ensure!(
        info.incarnation == from.incarnation,
        "partition {partition} of the log is another one than was read; its worker reads all of it by itself"
    );
    let trimmed = info.first_seq.saturating_sub(1);
    let safe = from.seq.saturating_sub(margin);
    if trimmed >= safe {
        return Ok(Position {
            seq: trimmed.min(from.seq),
            ..Position::start(info.incarnation)
        });
    }
    let message = log
        .get(partition, safe)
        .await
        .context("cannot read the log")?;
    let message = message.with_context(|| {
        format!("message {safe} of partition {partition} is gone: is --worker-trim-margin the workers' one?")
    })?;
    Ok(Position {
        incarnation: info.incarnation,
        seq: safe,
        hash: message_hash(&message.payload),
    })
}

async fn wait_until(store: &Store, partition: u16, seq: u64) -> Result<()> {
    let mut last = (0, Instant::now());
    loop {
        let mut conn = store.pool().acquire().await?;
        let found = progress::find(&mut conn, USAGE, partition).await?;
        drop(conn);
        let now = found.map_or(0, |found| found.position.seq);
        if now >= seq {
            return Ok(());
        }
        if now != last.0 {
            last = (now, Instant::now());
        }
        if last.1.elapsed() > STANDSTILL {
            bail!(
                "nobody reads partition {partition}: start `meterd worker`; it goes on by itself from where it is"
            );
        }
        tokio::time::sleep(POLL).await;
    }
}
