//! Compares the ledger with the aggregates, which somebody else has counted from the same log.

use std::time::Duration;

use chrono::{DateTime, Utc};
use metering_core::window::Source;
use metering_store::aggregates::{self, Names, Question};
use metering_store::progress::{self, QUOTA, USAGE};
use metering_store::quota_ledger::{self, LedgerKey, Reported};
use metering_store::sqlx::{self, Connection as _};
use service_kit::clock;
use tokio::time::sleep;

use crate::seeder::far;
use crate::state::QuotaState;

/// How often some of the ledger is looked at.
const TICK: Duration = Duration::from_secs(2);
/// Windows looked at in a tick.
const PAGE: u8 = 50;
/// A repeat from behind the horizon of ids is counted until the worker has corrected it: what
/// differs that often in a row stays so.
const LOOKS: u32 = 3;

/// Looks for ever. Any number of processes may.
pub(crate) async fn run(state: QuotaState, partition: u16) {
    let mut auditor = Auditor {
        state,
        partition,
        after: None,
        looks: 0,
        difference: 0,
    };
    loop {
        if let Err(error) = auditor.look().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(partition, error, "cannot audit the ledger");
        }
        sleep(TICK).await;
    }
}

struct Auditor {
    state: QuotaState,
    partition: u16,
    /// The last window looked at.
    after: Option<LedgerKey>,
    /// How often this page was looked at and differed.
    looks: u32,
    /// Units found in this round through the ledger.
    difference: i128,
}

impl Auditor {
    /// Compares a page, if both stand at the same position.
    async fn look(&mut self) -> Result<(), sqlx::Error> {
        let mut conn = self.state.store.pool().acquire().await?;
        // One snapshot for all: both are of this position.
        let mut tx = conn
            .begin_with("begin isolation level repeatable read read only")
            .await?;
        let usage = progress::find(&mut tx, USAGE, self.partition).await?;
        let quota = progress::find(&mut tx, QUOTA, self.partition).await?;
        let at = |found: Option<progress::Progress>| found.map(|found| found.position);
        if usage.is_none() || at(usage) != at(quota) {
            return tx.rollback().await;
        }
        let after = self.after.as_ref();
        let page = quota_ledger::list_in_force(&mut tx, self.partition, after, PAGE).await?;
        let mut difference = 0;
        for window in &page {
            let counted = counted(&mut tx, window, clock::now()).await?;
            let differs = window.reported - counted;
            if differs != 0 && self.looks + 1 >= LOOKS {
                tracing::error!(
                    partition = self.partition,
                    quota.id = %window.key.quota_id,
                    window.start = %window.key.window_start,
                    ledger = %window.reported,
                    aggregates = %counted,
                    "ALARM: ledger and aggregates differ"
                );
            }
            difference += differs.abs();
        }
        tx.rollback().await?;
        self.state.metrics().audited.inc_by(page.len() as u64);
        self.conclude(page, difference);
        Ok(())
    }

    fn conclude(&mut self, mut page: Vec<Reported>, difference: i128) {
        self.looks += 1;
        if difference != 0 && self.looks < LOOKS {
            return;
        }
        self.looks = 0;
        self.difference += difference;
        let is_last = page.len() < usize::from(PAGE);
        self.after = page.pop().map(|last| last.key).filter(|_| !is_last);
        let partition = self.partition.to_string();
        let shown = self
            .state
            .metrics()
            .difference
            .with_label_values(&[&partition]);
        #[expect(
            clippy::cast_precision_loss,
            reason = "what matters is whether it is zero"
        )]
        let found = self.difference as f64;
        // What was found is shown at once, that it is gone after a whole round.
        if is_last || found > shown.get() {
            shown.set(found);
        }
        if is_last {
            self.difference = 0;
        }
    }
}

/// What the aggregates say of a window.
async fn counted(
    conn: &mut sqlx::PgConnection,
    window: &Reported,
    now: DateTime<Utc>,
) -> Result<i128, sqlx::Error> {
    let bounds = [
        window.key.window_start,
        window.window_end.unwrap_or_else(|| far(now)),
    ];
    let names = Names {
        tenant: Some(window.key.tenant_id.clone()),
        resource: window.resource.clone(),
        feature: Some(window.key.feature.clone()),
    };
    let question = Question {
        bounds: &bounds,
        source: &Source::pick(&bounds),
        by_window: false,
        group_by: &[],
        names: &names,
        top: None,
        rest: false,
        member: None,
        after: None,
        max_rows: 1,
    };
    let answer = aggregates::list(conn, &question).await?;
    Ok(answer.total.total_quantity)
}
