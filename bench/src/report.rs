//! The table, and what it was measured on.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::check::Check;
use crate::cpu::Used;
use crate::load::{Load, Phase};

/// Of the target rate, that which must be reached: a phase ends with its last answer, not with
/// its last second.
const REACHED: f64 = 0.99;

#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) phase: Phase,
    pub(crate) load: Load,
    pub(crate) check: Check,
    pub(crate) cpu: Used,
    /// Sending, catching up and checking: what the processor time is to be seen against.
    pub(crate) wall: Duration,
}

impl Measured {
    /// Events acknowledged a second.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn rate(&self) -> f64 {
        let sending = self.load.last_ack - self.load.started;
        self.load.events as f64 / sending.as_secs_f64()
    }

    /// A sentence for each thing that must not be.
    pub(crate) fn failures(&self) -> Vec<String> {
        let (name, check) = (self.phase.name, &self.check);
        let mut failures = Vec::new();
        if check.lost > 0 {
            failures.push(format!("{name}: {} acknowledged events lost", check.lost));
        }
        if check.doubled > 0 {
            failures.push(format!("{name}: {} events too many counted", check.doubled));
        }
        if check.wrong_quantities > 0 {
            let groups = check.wrong_quantities;
            failures.push(format!("{name}: the quantity of {groups} groups is wrong"));
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let target = self.phase.target.map(|target| target as f64);
        if target.is_some_and(|target| self.rate() < target * REACHED) {
            failures.push(format!("{name}: the target rate was not reached"));
        }
        failures
    }

    fn row(&self) -> Vec<String> {
        let (load, check) = (&self.load, &self.check);
        let percentile = |percent| milliseconds(percentile(&load.latencies, percent));
        let target = self.phase.target.map_or("-".into(), |t| t.to_string());
        let catch_up = check.catch_up.map_or("never".into(), seconds);
        let cpu: f64 = self.cpu.system().map(|(_, seconds)| seconds).sum();
        vec![
            self.phase.name.to_owned(),
            target,
            format!("{:.0}", self.rate()),
            load.events.to_string(),
            percentile(50),
            percentile(99),
            percentile(100),
            load.retries.to_string(),
            check.lost.to_string(),
            check.doubled.to_string(),
            catch_up,
            format!("{cpu:.1}"),
            format!("{:.1}", self.cpu.generator()),
            format!("{:.1}", self.wall.as_secs_f64()),
        ]
    }
}

const HEADINGS: [&str; 14] = [
    "phase",
    "target/s",
    "events/s",
    "events",
    "p50 ms",
    "p99 ms",
    "max ms",
    "retries",
    "lost",
    "double",
    "catch-up s",
    "CPU s",
    "generator CPU s",
    "wall s",
];

pub(crate) fn table(measured: &[Measured]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    rows.extend(measured.iter().map(Measured::row));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max();
    let widths: Vec<usize> = (0..HEADINGS.len()).filter_map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  "));
    }
    text.push('\n');
    for one in measured {
        let parts = one.cpu.system();
        let parts = parts.map(|(name, seconds)| format!("{name} {seconds:.1}"));
        let parts = parts.collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "CPU s, {}: {parts}", one.phase.name);
    }
    text
}

/// What this runs on. What cannot be read is left out.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or("?".into(), |n| n.to_string());
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("", |text| text.trim_start_matches([' ', '\t', ':']));
    let mut text = format!("cores    {cores}  {model}\n");
    let _ = writeln!(
        text,
        "kernel   {}",
        read("/proc/sys/kernel/osrelease").trim()
    );
    let _ = writeln!(
        text,
        "load     {} (before the start)",
        read("/proc/loadavg").trim()
    );
    let git = Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .output();
    if let Ok(output) = git
        && output.status.success()
    {
        let commit = String::from_utf8_lossy(&output.stdout);
        let _ = writeln!(text, "commit   {}", commit.trim());
    }
    text
}

/// The smallest value that `percent` of all do not exceed. `sorted` is ascending.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1000.0)
}

fn seconds(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let sorted: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        let at = |percent| percentile(&sorted, percent).as_millis();
        assert_eq!((at(50), at(99), at(100)), (100, 198, 200));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
