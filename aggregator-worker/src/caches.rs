//! What the worker remembers of the database between batches, all of it bounded.

use std::collections::{BTreeSet, HashMap, HashSet};

use metering_store::{Store, dimension, event_key, sqlx, usage_event};

/// Names remembered with their ids; some 10 MB. A worker that meets more forgets all and goes on.
const MAX_NAMES: usize = 100_000;
/// Day and month tables remembered as being there: more than a century of them.
const MAX_TABLES: usize = 50_000;

/// Ids of names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: HashMap<Box<str>, i32>,
}

impl Names {
    /// Learns the ids of all `names`, making those that do not exist.
    pub(crate) async fn learn(
        &mut self,
        store: &Store,
        names: &BTreeSet<&str>,
    ) -> Result<(), sqlx::Error> {
        if self.missing(names).is_empty() {
            return Ok(());
        }
        if self.ids.len() + names.len() > MAX_NAMES {
            self.ids.clear();
        }
        let mut conn = store.pool().acquire().await?;
        let missing = self.missing(names);
        self.remember(dimension::list(&mut conn, &missing).await?);
        let missing = self.missing(names);
        if !missing.is_empty() {
            dimension::insert(&mut conn, &missing).await?;
            self.remember(dimension::list(&mut conn, &missing).await?);
        }
        Ok(())
    }

    fn missing<'n>(&self, names: &BTreeSet<&'n str>) -> Vec<&'n str> {
        let unknown = names.iter().filter(|name| !self.ids.contains_key(**name));
        unknown.copied().collect()
    }

    fn remember(&mut self, rows: Vec<(String, i32)>) {
        let rows = rows
            .into_iter()
            .map(|(name, id)| (name.into_boxed_str(), id));
        self.ids.extend(rows);
    }

    /// The id of a name that was learnt for this batch.
    pub(crate) fn id(&self, name: &str) -> Option<i32> {
        self.ids.get(name).copied()
    }
}

/// Day and month tables that are there.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    days: HashSet<i64>,
    buckets: HashSet<i16>,
}

impl Tables {
    /// Makes the missing ones among the tables of `days` (starts in µs) and `buckets`.
    pub(crate) async fn ensure(
        &mut self,
        store: &Store,
        days: &BTreeSet<i64>,
        buckets: &BTreeSet<i16>,
    ) -> Result<(), sqlx::Error> {
        if self.days.len() + self.buckets.len() > MAX_TABLES {
            self.forget();
        }
        for day in days {
            if !self.days.contains(day) {
                usage_event::ensure_day(store.pool(), *day).await?;
                self.days.insert(*day);
            }
        }
        for bucket in buckets {
            if !self.buckets.contains(bucket) {
                event_key::ensure_bucket(store.pool(), *bucket).await?;
                self.buckets.insert(*bucket);
            }
        }
        Ok(())
    }

    /// Somebody took a table away: look again.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}
