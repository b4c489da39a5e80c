//! What became of the lines, and the word of it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Of all runs on this input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Lines, or rows, that are not blank.
    pub(super) read: u64,
    pub(super) accepted: u64,
    /// Repeats within one request; meterd finds all others later.
    pub(super) duplicates: u64,
    pub(super) rejected: u64,
}

pub(super) struct Tally {
    pub(super) counts: Counts,
    /// Read by earlier runs.
    before: u64,
    rejected: Option<File>,
}

impl Tally {
    /// Goes on counting from `counts`. What is refused goes to the file, or to standard error.
    pub(super) fn open(rejected: Option<&Path>, counts: Counts) -> Result<Self> {
        let mut options = OpenOptions::new();
        // Behind what an earlier run wrote.
        options.create(true).append(counts.read > 0);
        options.write(true).truncate(counts.read == 0);
        let open = |path: &Path| {
            let opened = options.open(path);
            opened.with_context(|| format!("cannot write {}", path.display()))
        };
        Ok(Self {
            counts,
            before: counts.read,
            rejected: rejected.map(open).transpose()?,
        })
    }

    pub(super) fn reject(
        &mut self,
        line: u64,
        code: &str,
        detail: &str,
        event: Option<&str>,
    ) -> Result<()> {
        self.counts.rejected += 1;
        let Some(file) = &mut self.rejected else {
            eprintln!("line {line}: {code}: {detail}");
            return Ok(());
        };
        let refusal = json!({ "line": line, "code": code, "detail": detail, "event": event });
        writeln!(file, "{refusal}").context("cannot write down what was refused")
    }

    /// Says what was done. The exit code tells whether all lines were good.
    pub(super) fn print(&self, json: bool, dry_run: bool, took: Duration) -> ExitCode {
        let Counts {
            read,
            accepted,
            duplicates,
            rejected,
        } = self.counts;
        let seconds = took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate to read")]
        let rate = (read - self.before) as f64 / seconds.max(0.001);
        if json {
            println!(
                "{}",
                json!({
                    "read": read, "accepted": accepted, "duplicates": duplicates,
                    "rejected": rejected, "dry_run": dry_run, "seconds": seconds,
                    "lines_per_second": rate.round(),
                })
            );
        } else {
            let verb = if dry_run { "good" } else { "accepted" };
            eprintln!(
                "{read} lines in {seconds:.1} s ({rate:.0}/s): {accepted} {verb}, {duplicates} repeated, {rejected} refused"
            );
        }
        if rejected == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}
