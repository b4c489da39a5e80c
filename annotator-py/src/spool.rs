//! The directory of segments: where they are made, found, and given up.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::segment::{HEADER_BYTES, MAX_UNITS, Segment, UNIT_BYTES};

/// 4 MiB: 131,000 events between two files.
const SEGMENT_UNITS: u64 = (4 << 20) / UNIT_BYTES as u64;
/// 256 KiB, then four times as much each time.
const FIRST_SEGMENT_UNITS: u64 = (256 << 10) / UNIT_BYTES as u64;
/// Metadata of the largest event and its names fit, whatever the queue's size.
const MIN_SEGMENT_UNITS: u64 = 1024;
/// A queue of the smallest size still has this many segments, so that one can be given up.
const SEGMENTS_AT_LEAST: u64 = 4;
/// A segment whose process is silent for so long, and holds no lock, is an orphan.
pub(crate) const STALE_MS: u64 = 4_000;
/// Dead letters are for a person to look at; more than this nobody does.
const MAX_DEAD_LETTER_BYTES: u64 = 64 << 20;
const DEAD_LETTERS: &str = "dead-letters.jsonl";

/// Units of a process' `nth` segment, from 0, in a queue of `max_bytes`. Most processes need little.
pub(crate) fn units(max_bytes: u64, nth: u32) -> u64 {
    let share = (max_bytes / SEGMENTS_AT_LEAST).saturating_sub(HEADER_BYTES as u64);
    let most = (share / UNIT_BYTES as u64).clamp(MIN_SEGMENT_UNITS, SEGMENT_UNITS.min(MAX_UNITS));
    most.min(FIRST_SEGMENT_UNITS << (2 * nth.min(4)))
}

/// Deletes segments whose processes are gone and left nothing to send.
pub(crate) fn reclaim(directory: &Path) {
    for path in list(directory) {
        let _ = Segment::delete_if_empty_orphan(&path);
    }
}

/// Makes the directory, for its user alone: it holds who used what.
pub(crate) fn prepare(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// Every segment, the oldest first.
pub(crate) fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "segment")
        })
        .collect();
    paths.sort();
    paths
}

/// Bytes of all segments, whoever writes them.
pub(crate) fn used_bytes(directory: &Path) -> u64 {
    let length = |path: &PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len());
    list(directory).iter().map(length).sum()
}

/// Events that nobody has delivered yet, as far as the segments can be read.
pub(crate) fn pending(directory: &Path) -> u64 {
    list(directory)
        .iter()
        .filter_map(|path| Segment::pending_in(path).ok())
        .sum()
}

/// Segments whose processes are gone. With `owner` only those that are sent to the same server with
/// the same key.
pub(crate) fn adopt(directory: &Path, owner: Option<u64>, now_ms: u64) -> Vec<Segment> {
    let stale_before = now_ms.saturating_sub(STALE_MS);
    let adopt = |path: PathBuf| Segment::adopt(&path, owner, stale_before).ok().flatten();
    list(directory).into_iter().filter_map(adopt).collect()
}

/// Whether a dead process left something, be it for `adopt` to wait for.
pub(crate) fn has_orphans(directory: &Path, owner: u64) -> bool {
    let is_orphan = |path: &PathBuf| Segment::is_orphan(path, owner).unwrap_or(false);
    list(directory).iter().any(is_orphan)
}

/// Appends lines to the dead letters. False if there is no place for them.
pub(crate) fn bury(directory: &Path, lines: &[u8]) -> bool {
    let path = directory.join(DEAD_LETTERS);
    let used = fs::metadata(&path).map_or(0, |metadata| metadata.len());
    if used + lines.len() as u64 > MAX_DEAD_LETTER_BYTES {
        return false;
    }
    let open = |path| {
        File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
    };
    open(path)
        .and_then(|mut file| file.write_all(lines))
        .is_ok()
}
