//! The one reader of the log, while anybody follows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metering_core::record::Report;
use metering_store::{Readers, Sight};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Live;
use super::marks::{Mark, Marks};
use super::messages::{LiveError, Messages};
use super::step::{Step, steps};
use crate::visibility::{Positions, Visibility};

/// Messages that the tail may be behind; then it skips to the end. Persisting is faster than looking
/// events up, and a stream that is minutes behind is not live.
const MAX_BEHIND: u64 = 256;
/// Before what failed is tried again.
const RETRY: Duration = Duration::from_millis(500);

impl Live {
    /// Reads the log whenever somebody follows, until `shutdown`.
    pub(crate) async fn run(
        &self,
        readers: &Readers,
        visibility: &Visibility,
        shutdown: &CancellationToken,
    ) {
        let mut followers = self.followers.subscribe();
        loop {
            let somebody = followers.wait_for(|followers| *followers > 0);
            if shutdown.run_until_cancelled(somebody).await.is_none() {
                return;
            }
            let (_often, positions) = visibility.watch();
            self.read_for_followers(readers, positions, shutdown).await;
            self.marks.send_replace(None);
        }
    }

    /// Returns when nobody follows any more.
    async fn read_for_followers(
        &self,
        readers: &Readers,
        mut positions: watch::Receiver<Positions>,
        shutdown: &CancellationToken,
    ) {
        let followed = |live: &Self| *live.followers.borrow() > 0 && !shutdown.is_cancelled();
        let mut open = BTreeMap::<u16, Messages>::new();
        let mut marks = Marks::default();
        while followed(self) {
            let now = positions.borrow_and_update().clone();
            let mut behind = now.is_empty();
            if self.marks.borrow().is_none() && !now.is_empty() {
                marks = Marks::of(&now);
                self.marks.send_replace(Some(marks.clone()));
            }
            for (partition, to) in Marks::of(&now).iter() {
                let from = marks.get(partition).unwrap_or(to.start());
                let behind_by = to.seq.checked_sub(from.seq).filter(|_| from.is_like(to));
                if behind_by.is_none_or(|messages| messages > MAX_BEHIND) {
                    self.skip_to(&mut marks, partition, to);
                    continue;
                }
                let reader = open.entry(partition);
                let reader =
                    reader.or_insert_with(|| Messages::new(self.log.clone(), partition, from));
                if reader.at() != from {
                    *reader = Messages::new(self.log.clone(), partition, from);
                }
                match self
                    .hand_out(readers, reader, &mut marks, (partition, to))
                    .await
                {
                    Ok(()) => {}
                    Err(LiveError::Lost) => self.skip_to(&mut marks, partition, to),
                    Err(error) => {
                        behind = true;
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "the live stream waits"
                        );
                    }
                }
            }
            let _ = timeout(RETRY, async {
                if behind {
                    std::future::pending::<()>().await;
                }
                let _ = positions.changed().await;
            })
            .await;
        }
    }

    /// Sends the events of one partition up to `to`, all of which is persisted.
    async fn hand_out(
        &self,
        readers: &Readers,
        reader: &mut Messages,
        marks: &mut Marks,
        (partition, to): (u16, Mark),
    ) -> Result<(), LiveError> {
        while reader.at().seq < to.seq {
            let wanted = |report: &Report<'_>| self.is_followed(report.tenant_id);
            // For all who follow, whatever each of them may see: a follower takes its own of it.
            let sees_all = (readers, Sight::AllTenants);
            let events = reader.events(sees_all, to.seq, wanted).await?;
            marks.set(partition, reader.at());
            self.send(marks, steps(partition, events));
        }
        Ok(())
    }

    fn skip_to(&self, marks: &mut Marks, partition: u16, to: Mark) {
        marks.set(partition, to);
        let skipped = Step::Skipped(Arc::new(marks.clone()));
        self.send(marks, vec![skipped]);
    }

    fn send(&self, marks: &Marks, steps: Vec<Step>) {
        self.marks.send_modify(|sent| {
            for step in steps {
                // That nobody follows is noticed elsewhere.
                let _ = self.steps.send(step);
            }
            *sent = Some(marks.clone());
        });
    }
}
