//! One client of the live stream.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use metering_core::record::Report;
use metering_store::Readers;
use service_kit::auth::{Caller, Keys};
use service_kit::clock;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout, timeout_at};

use super::marks::{Mark, Marks};
use super::messages::{LiveError, Messages};
use super::step::{LiveEvent, Selection, Step, steps};
use super::{KEPT_STEPS, Live};
use crate::bodies::{Gone, Pieces};
use crate::state::sight;

/// A client that hears nothing for this long is told so, and where it is.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often its key is looked at.
const KEY_CHECK: Duration = Duration::from_secs(1);
/// What browsers wait before they connect again.
const RETRY_MS: u32 = 1000;
/// Before what failed is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Why some events do not come.
#[derive(Debug, Clone, Copy)]
enum Dropped {
    /// The client took them too slowly, or there were too many.
    Behind,
    /// They are not in the log any more.
    Trimmed,
}

impl Dropped {
    fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Trimmed => "trimmed",
        }
    }
}

/// Follows the log for one client and writes what it wants into its answer.
pub(crate) struct Follower {
    pub(crate) live: Live,
    pub(crate) readers: Readers,
    pub(crate) keys: Keys,
    pub(crate) caller: Caller,
    pub(crate) selection: Selection,
    /// Where it was, if it was here before.
    pub(crate) since: Option<Marks>,
}

impl Follower {
    /// Returns when the client has gone, its key is no longer good, or the process stops.
    pub(crate) async fn run(self, pieces: Pieces) {
        let _following = self.live.follow(self.selection.names.tenant.clone());
        // The end is the same whoever wanted it.
        let Err(Gone) = self.follow(&pieces).await;
    }

    async fn follow(&self, pieces: &Pieces) -> Result<Infallible, Gone> {
        pieces.send(format!("retry: {RETRY_MS}\n\n")).await?;
        let mut own = self.since.clone();
        loop {
            let (steps, now) = self.subscribe(pieces).await?;
            let own = own.get_or_insert(now);
            let steps = self.catch_up(pieces, own, steps).await?;
            pieces.send(format!("id: {own}\n\n")).await?;
            self.pass_on(pieces, own, steps).await?;
            // Too slow for the tail: what was missed is named and left out.
            let (_, now) = self.subscribe(pieces).await?;
            self.drop_to(pieces, own, &now, Dropped::Behind).await?;
        }
    }

    async fn subscribe(&self, pieces: &Pieces) -> Result<(Receiver<Step>, Marks), Gone> {
        tokio::select! {
            () = pieces.gone() => Err(Gone),
            subscribed = self.live.subscribe() => Ok(subscribed),
        }
    }

    /// Reads what was persisted between `own` and the steps that come, which may take so long that
    /// some of those are gone again.
    async fn catch_up(
        &self,
        pieces: &Pieces,
        own: &mut Marks,
        mut steps: Receiver<Step>,
    ) -> Result<Receiver<Step>, Gone> {
        let turn = tokio::select! {
            () = pieces.gone() => return Err(Gone),
            turn = self.live.catching_up.acquire() => turn,
        };
        let _turn = turn.map_err(|_| Gone)?;
        loop {
            let now = self.live.marks.borrow().clone().unwrap_or_default();
            for (partition, to) in now.iter() {
                self.read(pieces, own, partition, to).await?;
            }
            if steps.len() < KEPT_STEPS {
                return Ok(steps);
            }
            (steps, _) = self.subscribe(pieces).await?;
        }
    }

    /// Reads one partition up to `to`.
    async fn read(
        &self,
        pieces: &Pieces,
        own: &mut Marks,
        partition: u16,
        to: Mark,
    ) -> Result<(), Gone> {
        let from = own.get(partition).unwrap_or(to.start());
        if !from.is_like(to) {
            let mut all = own.clone();
            all.set(partition, to);
            return self.drop_to(pieces, own, &all, Dropped::Trimmed).await;
        }
        let mut messages = Messages::new(self.live.log.clone(), partition, from.whole());
        while messages.at().seq < to.seq {
            self.check_key()?;
            let wanted = |report: &Report<'_>| {
                self.selection
                    .names_match(report.tenant_id, report.resource, report.feature)
            };
            let sees = (&self.readers, sight(&self.caller));
            match messages.events(sees, to.seq, wanted).await {
                Ok(events) => {
                    for step in steps(partition, events) {
                        if let Step::Events { events, .. } = step {
                            self.write(pieces, own, partition, &events).await?;
                        }
                    }
                    own.set(partition, messages.at());
                }
                Err(LiveError::Lost) => {
                    let mut all = own.clone();
                    all.set(partition, to);
                    return self.drop_to(pieces, own, &all, Dropped::Trimmed).await;
                }
                Err(error) => {
                    warn(&error);
                    let _ = timeout(PAUSE, pieces.gone()).await;
                }
            }
        }
        Ok(())
    }

    /// Passes steps on as they come. `Ok`: some of them were missed.
    async fn pass_on(
        &self,
        pieces: &Pieces,
        own: &mut Marks,
        mut steps: Receiver<Step>,
    ) -> Result<(), Gone> {
        let mut heartbeat = Instant::now() + HEARTBEAT;
        loop {
            let wake = heartbeat.min(Instant::now() + KEY_CHECK);
            let step = tokio::select! {
                () = pieces.gone() => return Err(Gone),
                step = timeout_at(wake, steps.recv()) => step,
            };
            self.check_key()?;
            match step {
                Ok(Ok(Step::Events { partition, events })) => {
                    if self.write(pieces, own, partition, &events).await? {
                        heartbeat = Instant::now() + HEARTBEAT;
                    }
                }
                Ok(Ok(Step::Skipped(to))) => {
                    self.drop_to(pieces, own, &to, Dropped::Behind).await?;
                }
                Ok(Err(RecvError::Lagged(_))) => return Ok(()),
                Ok(Err(RecvError::Closed)) => return Err(Gone),
                Err(_) if Instant::now() >= heartbeat => {
                    heartbeat = Instant::now() + HEARTBEAT;
                    if let Some(now) = self.live.marks_behind(&steps) {
                        own.advance_to(&now);
                    }
                    // An id without data is kept by the client and shown to nobody.
                    pieces.send(format!(": heartbeat\nid: {own}\n\n")).await?;
                }
                Err(_) => {}
            }
        }
    }

    /// Writes those events that are wanted and have not been seen. `false`: there were none.
    async fn write(
        &self,
        pieces: &Pieces,
        own: &mut Marks,
        partition: u16,
        events: &[LiveEvent],
    ) -> Result<bool, Gone> {
        let mut text = String::new();
        for event in events {
            if own.cover(partition, event.seq, event.index) || !self.selection.matches(event) {
                continue;
            }
            own.advance(partition, event.seq, event.index);
            let _ = write!(text, "id: {own}\n{}", event.lines);
        }
        let any = !text.is_empty();
        if any {
            pieces.send(text).await?;
        }
        Ok(any)
    }

    /// Says that events are left out, and goes on behind them.
    async fn drop_to(
        &self,
        pieces: &Pieces,
        own: &mut Marks,
        to: &Marks,
        why: Dropped,
    ) -> Result<(), Gone> {
        let before = own.clone();
        own.advance_to(to);
        if before == *own {
            return Ok(());
        }
        let why = why.as_str();
        let text = format!(
            "id: {own}\nevent: dropped\ndata: {{\"reason\":\"{why}\",\"after\":\"{before}\"}}\n\n"
        );
        pieces.send(text).await
    }

    /// Ends a stream whose key was deleted or has expired.
    fn check_key(&self) -> Result<(), Gone> {
        let good = self.keys.admit_still(&self.caller, clock::now());
        good.then_some(()).ok_or(Gone)
    }
}

fn warn(error: &LiveError) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "a client of the live stream waits for what it missed"
    );
}
