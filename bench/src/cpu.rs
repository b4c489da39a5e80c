//! Processor time, from `/proc`.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use anyhow::{Context, Result};

/// What `/proc/PID/stat` counts in: fixed in the kernel's interface, whatever it ticks at inside.
const TICKS_PER_SECOND: f64 = 100.0;
/// The load generator, beside the names of `ready.json`.
pub(crate) const GENERATOR: &str = "generator";

/// Ticks by the name of the process, its descendants (Postgres has one a connection) included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used(BTreeMap<String, u64>);

struct Stat {
    parent: u32,
    ticks: u64,
}

impl Used {
    /// Reads it for the processes of `pids` and for this one.
    pub(crate) fn read(pids: &BTreeMap<String, u32>) -> Result<Self> {
        let own = (std::process::id(), GENERATOR);
        let named = pids.iter().map(|(name, &pid)| (pid, name.as_str()));
        let names: HashMap<u32, &str> = named.chain([own]).collect();
        let stats = stats().context("cannot read /proc")?;
        let mut used = Self::default();
        for (&pid, stat) in &stats {
            if let Some(name) = owner(pid, &names, &stats) {
                *used.0.entry(name.to_owned()).or_default() += stat.ticks;
            }
        }
        Ok(used)
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        let difference = |(name, ticks): (&String, &u64)| {
            let before = before.0.get(name).copied().unwrap_or_default();
            (name.clone(), ticks.saturating_sub(before))
        };
        Self(self.0.iter().map(difference).collect())
    }

    /// Seconds by name, `meterd` and its servers.
    pub(crate) fn system(&self) -> impl Iterator<Item = (&str, f64)> {
        let system = self.0.iter().filter(|(name, _)| *name != GENERATOR);
        system.map(|(name, &ticks)| (name.as_str(), seconds(ticks)))
    }

    pub(crate) fn generator(&self) -> f64 {
        seconds(self.0.get(GENERATOR).copied().unwrap_or_default())
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_PER_SECOND
}

/// The nearest ancestor with a name, the process itself first.
fn owner<'a>(
    mut pid: u32,
    names: &HashMap<u32, &'a str>,
    stats: &HashMap<u32, Stat>,
) -> Option<&'a str> {
    loop {
        if let Some(name) = names.get(&pid) {
            return Some(name);
        }
        pid = stats.get(&pid)?.parent;
    }
}

fn stats() -> std::io::Result<HashMap<u32, Stat>> {
    let mut stats = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        // A process may end while this looks.
        let text = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some(stat) = parse(&text) {
            stats.insert(pid, stat);
        }
    }
    Ok(stats)
}

/// The fields are numbered in proc(5); the name, which may have spaces, ends with the last `)`.
fn parse(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(field(4)?).ok()?,
        // Its own time, and that of children that ended.
        ticks: field(14)? + field(15)? + field(16)? + field(17)?,
    })
}
