//! How far a run got, kept in a file until it is done.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::identity::Place;
use super::tally::Counts;
use crate::embedded::datadir::{Keep, read_json, remove_if_there, write_private};

/// The content of the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    /// Where to: another meterd has got nothing yet.
    url: String,
    /// Of everything up to where it got.
    sha256: String,
    counts: Counts,
}

pub(super) struct Resume {
    file: Option<PathBuf>,
    url: String,
    state: State,
}

impl Resume {
    /// From what an earlier run left in `file`, if it left something.
    pub(super) fn open(file: Option<PathBuf>, url: &str) -> Result<Self> {
        let found = file.as_deref().map(read_json::<State>).transpose()?;
        let state = found.flatten().filter(|state| state.url == url);
        if let Some(State { counts, .. }) = &state {
            eprintln!(
                "going on after {} lines that an earlier run sent",
                counts.read
            );
        }
        Ok(Self {
            file,
            url: url.to_owned(),
            state: state.unwrap_or_default(),
        })
    }

    /// What earlier runs did.
    pub(super) fn counts(&self) -> Counts {
        self.state.counts
    }

    /// Refuses to go on behind another beginning than the one that was sent.
    pub(super) fn check(&self, read: u64, place: &Place) -> Result<()> {
        let file = self
            .file
            .as_deref()
            .unwrap_or("its state".as_ref())
            .display();
        ensure!(
            read < self.state.counts.read || place.hex() == self.state.sha256,
            "the input is not the one that an earlier run began to send: delete {file} to send it from its beginning"
        );
        Ok(())
    }

    pub(super) fn save(&mut self, counts: Counts, place: &Place) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        self.state = State {
            url: self.url.clone(),
            sha256: place.hex(),
            counts,
        };
        write_private(file, &serde_json::to_vec(&self.state)?, Keep::Atomic)
    }

    /// Everything is sent: the next run begins anew.
    pub(super) fn done(&self) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        remove_if_there(file).with_context(|| format!("cannot delete {}", file.display()))
    }
}
