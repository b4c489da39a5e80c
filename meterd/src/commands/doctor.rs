//! `meterd doctor`: whether this machine can run meterd, and what to do where it cannot.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use nix::sys::statvfs::statvfs;
use serde::Serialize;

use super::up::DEFAULT_LISTEN;
use crate::embedded::Account;
use crate::embedded::binaries::BinaryArgs;
use crate::embedded::datadir::{DataDir, DataDirArgs};
use crate::embedded::roster::{Kind, Ready};

const GIB: u64 = 1024 * 1024 * 1024;
/// Below this Postgres' write-ahead log alone may fill the disk.
const DISK_FAIL_BYTES: u64 = GIB;
const DISK_WARN_BYTES: u64 = 10 * GIB;
const SYNCS: usize = 40;
/// A 202 waits for one sync: slower disks are felt by every producer.
const SYNC_WARN: Duration = Duration::from_millis(10);
/// No disk syncs this fast: it only says that it did.
const SYNC_TOO_GOOD: Duration = Duration::from_micros(20);
/// 2026-01-01: a clock before this release was never set.
const RELEASE_UNIX_SECONDS: u64 = 1_767_225_600;
/// How far the file system's clock may be from the system's.
const CLOCK_SKEW: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    data_dir: DataDirArgs,

    /// Address that `meterd up` will listen on
    #[arg(
        long,
        env = "METERD_LISTEN",
        value_name = "HOST:PORT",
        default_value = DEFAULT_LISTEN
    )]
    listen: String,

    /// Print JSON
    #[arg(long, env = "METERD_JSON")]
    json: bool,

    #[command(flatten)]
    binaries: BinaryArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    /// What was found and, unless all is well, what to do.
    detail: String,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            name,
            verdict,
            detail,
        }
    }
}

pub(crate) async fn run(args: DoctorArgs) -> Result<ExitCode> {
    let mut checks: Vec<Check> = Kind::ALL
        .into_iter()
        .map(|kind| check_program(&args.binaries, kind))
        .collect();
    match args.data_dir.locate() {
        Ok((dir, note)) => checks.extend(check_data_dir(&dir, note)),
        Err(error) => checks.push(Check::new("data dir", Verdict::Fail, format!("{error:#}"))),
    }
    checks.push(check_listen(&args).await);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&checks)?);
    } else {
        for check in &checks {
            let verdict = match check.verdict {
                Verdict::Ok => "ok",
                Verdict::Warn => "warn",
                Verdict::Fail => "fail",
            };
            println!("{verdict:<5} {:<14} {}", check.name, check.detail);
        }
    }
    let failed = checks.iter().any(|check| check.verdict == Verdict::Fail);
    Ok(ExitCode::from(u8::from(failed)))
}

fn check_program(binaries: &BinaryArgs, kind: Kind) -> Check {
    match binaries.find(kind) {
        Ok(found) => {
            let detail = format!("{} ({})", found.version, found.program.display());
            Check::new(kind.program(), Verdict::Ok, detail)
        }
        Err(error) => Check::new(kind.program(), Verdict::Fail, format!("{error:#}")),
    }
}

/// The checks that need the directory, or the one `meterd up` would make it in.
fn check_data_dir(dir: &DataDir, note: Option<String>) -> Vec<Check> {
    let root = dir.root();
    let Some(existing) = root.ancestors().find(|path| path.is_dir()) else {
        let detail = format!("no directory on the way to {} exists", root.display());
        return vec![Check::new("data dir", Verdict::Fail, detail)];
    };
    let probe = Probe(existing.join(format!(".meterd-doctor-{}", std::process::id())));
    let rights = match probe.create() {
        Ok(_) => match note {
            Some(note) => Check::new("data dir", Verdict::Warn, note),
            None => Check::new("data dir", Verdict::Ok, whose(dir)),
        },
        Err(error) => {
            let detail = format!(
                "cannot write in {}: {error}; name another directory with --data-dir",
                existing.display()
            );
            return vec![Check::new("data dir", Verdict::Fail, detail)];
        }
    };
    vec![
        rights,
        check_space(existing),
        check_sync(&probe),
        check_clock(&probe),
    ]
}

fn whose(dir: &DataDir) -> String {
    let root = dir.root().display();
    match Account::for_postgres(&dir.postgres()) {
        Ok(Some(account)) => format!("{root} (Postgres runs as uid {})", account.uid()),
        _ => root.to_string(),
    }
}

/// A file in the directory under test, deleted whatever happens.
struct Probe(PathBuf);

impl Probe {
    fn create(&self) -> std::io::Result<fs::File> {
        OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&self.0)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn check_space(directory: &Path) -> Check {
    #[expect(
        clippy::useless_conversion,
        reason = "the type differs between operating systems"
    )]
    let free = match statvfs(directory) {
        Ok(disk) => u64::from(disk.blocks_available()) * disk.fragment_size(),
        Err(error) => {
            return Check::new("disk space", Verdict::Warn, format!("unknown: {error}"));
        }
    };
    let tenths = free / (GIB / 10);
    let found = format!("{}.{} GiB free", tenths / 10, tenths % 10);
    if free < DISK_FAIL_BYTES {
        let detail = format!("{found}: meterd needs {} GiB", DISK_FAIL_BYTES / GIB);
        Check::new("disk space", Verdict::Fail, detail)
    } else if free < DISK_WARN_BYTES {
        let detail = format!(
            "{found}: enough to try it; the log and the database want {} GiB",
            DISK_WARN_BYTES / GIB
        );
        Check::new("disk space", Verdict::Warn, detail)
    } else {
        Check::new("disk space", Verdict::Ok, found)
    }
}

fn check_sync(probe: &Probe) -> Check {
    let name = "disk sync";
    let times = match sync_times(probe) {
        Ok(times) => times,
        Err(error) => return Check::new(name, Verdict::Fail, format!("cannot sync: {error}")),
    };
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    let found = format!("median {median:.1?}, slowest of {SYNCS} {slowest:.1?}");
    if median < SYNC_TOO_GOOD {
        let detail = format!(
            "{found}: faster than any disk, so a power cut may lose acknowledged events; \
             put the data on a disk that really syncs"
        );
        Check::new(name, Verdict::Warn, detail)
    } else if median > SYNC_WARN {
        let detail = format!(
            "{found}: every accepted batch waits for one; use a faster disk, or larger batches"
        );
        Check::new(name, Verdict::Warn, detail)
    } else {
        Check::new(name, Verdict::Ok, found)
    }
}

/// How long it takes to append a block and have it on the disk, sorted.
fn sync_times(probe: &Probe) -> std::io::Result<Vec<Duration>> {
    let mut file = probe.create()?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn check_clock(probe: &Probe) -> Check {
    let name = "clock";
    let now = SystemTime::now();
    let skew = probe
        .create()
        .and_then(|file| file.metadata()?.modified())
        .map(|written| match written.duration_since(now) {
            Ok(ahead) => ahead,
            Err(behind) => behind.duration(),
        });
    if now < SystemTime::UNIX_EPOCH + Duration::from_secs(RELEASE_UNIX_SECONDS) {
        let detail = "it is before 2026: set it, events get their time from it";
        return Check::new(name, Verdict::Fail, detail);
    }
    match skew {
        Ok(skew) if skew > CLOCK_SKEW => {
            let detail = format!(
                "the file system's clock is {skew:.1?} off: is the data on another machine? \
                 Use a local disk"
            );
            Check::new(name, Verdict::Warn, detail)
        }
        _ => Check::new(name, Verdict::Ok, "plausible"),
    }
}

async fn check_listen(args: &DoctorArgs) -> Check {
    let name = "listen address";
    let Err(error) = tokio::net::TcpListener::bind(&args.listen).await else {
        return Check::new(name, Verdict::Ok, format!("{} is free", args.listen));
    };
    if let Some(url) = running(args) {
        return Check::new(name, Verdict::Ok, format!("meterd already runs: {url}"));
    }
    let detail = format!("{}: {error}; name another with --listen", args.listen);
    Check::new(name, Verdict::Fail, detail)
}

/// The URL of this data directory's meterd, when it is the one on that address.
fn running(args: &DoctorArgs) -> Option<String> {
    let (dir, _) = args.data_dir.locate().ok()?;
    dir.holder()?;
    let ready = Ready::read(&dir).ok()??;
    ready.url.ends_with(&args.listen).then_some(ready.url)
}
