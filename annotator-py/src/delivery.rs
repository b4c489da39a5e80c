//! The delivery thread: it sends what the segments hold until the server has it, and looks after
//! segments whose processes are gone. It never needs the interpreter.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::config::{Config, Transport};
use crate::core::Core;
use crate::dispatch::{Dispatch, Order};
use crate::encode::{Batch, BatchLimits, next_batch};
use crate::segment::Segment;
use crate::sender::{Answer, Reason, Rejection, Sender};
use crate::stats::Counters;
use crate::{clock, lock, spool};

/// The first pause of a round, doubled with each retry up to `MAX_RETRY_PAUSE`; all with full jitter.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(5);
/// Between two probes of a server that failed a whole round, doubled up to `MAX_PROBE_PAUSE`.
const PROBE_PAUSE: Duration = Duration::from_secs(1);
const MAX_PROBE_PAUSE: Duration = Duration::from_secs(30);
/// A server that asks for more patience gets it, between rounds.
const LONGEST_WAIT_IN_A_ROUND: Duration = Duration::from_secs(10);
/// How often the thread shows that its process lives, at least.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How often it looks for segments without a process.
const ADOPTION: Duration = Duration::from_secs(2);

pub(crate) fn run(core: &Arc<Core>) {
    // Signals are for the program's own threads.
    let _ = SigSet::all().thread_block();
    let dispatch = core.dispatch();
    let _ended = Ended(&dispatch);
    let mut delivery = Delivery::new(core);
    loop {
        let order = dispatch.next_order(delivery.wait());
        if order == Order::Stop {
            break;
        }
        delivery.work(order);
    }
}

/// Says that the thread has ended, however it does.
struct Ended<'a>(&'a Dispatch);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// How a batch ended.
enum Round {
    Settled,
    /// Encode it again, smaller.
    Smaller,
    /// The server is away; not before `retry_after`.
    Failed(Duration),
    Stopped,
}

struct Delivery<'a> {
    core: &'a Arc<Core>,
    config: Option<Arc<Config>>,
    sender: Option<Sender>,
    /// Smaller than configured after a server found a batch too large.
    limits: BatchLimits,
    /// Rounds in a row that failed, and when the next is due.
    failed_rounds: u32,
    not_before: Option<Instant>,
    next_adoption: Instant,
    everything_at: Instant,
    told: bool,
}

impl<'a> Delivery<'a> {
    fn new(core: &'a Arc<Core>) -> Self {
        Self {
            core,
            config: None,
            sender: None,
            limits: BatchLimits {
                events: 1,
                bytes: 1,
            },
            failed_rounds: 0,
            not_before: None,
            next_adoption: Instant::now(),
            everything_at: Instant::now(),
            told: false,
        }
    }

    fn wait(&self) -> Duration {
        let interval = self
            .config
            .as_ref()
            .map_or(HEARTBEAT, |config| config.flush_interval);
        let due = self.not_before.unwrap_or(self.everything_at + interval);
        due.saturating_duration_since(Instant::now())
            .clamp(Duration::from_millis(1), HEARTBEAT)
    }

    fn work(&mut self, order: Order) {
        self.follow_config();
        self.beat();
        let Some(config) = self.config.clone() else {
            return;
        };
        let now = Instant::now();
        if now >= self.next_adoption {
            self.adopt(&config);
            self.next_adoption = now + ADOPTION;
        }
        if self.sender.is_none() || self.not_before.is_some_and(|at| now < at) {
            return;
        }
        let at_once = config.transport != Transport::Batch
            || order == Order::Everything
            || now >= self.everything_at + config.flush_interval;
        if at_once {
            self.everything_at = now;
        }
        self.send(at_once);
    }

    fn follow_config(&mut self) {
        let config = self.core.configured();
        if self.config == config {
            return;
        }
        if let Some(config) = &config {
            self.sender = Sender::new(config);
            self.limits = config.batch;
            self.not_before = None;
            match &self.sender {
                Some(sender) => {
                    self.core.dispatch().uses(sender.agent());
                    self.core.set_failing(false);
                }
                None if !self.told => {
                    self.told = true;
                    self.core.set_failing(true);
                    self.core.notice(
                        "no API key, so events wait in the queue: call meterd.configure(api_key=...) or set METERD_API_KEY".to_owned(),
                    );
                }
                None => {}
            }
        }
        self.config = config;
    }

    fn beat(&self) {
        let now = clock::now_ms();
        for segment in lock(&self.core.segments).iter() {
            segment.beat(now);
        }
    }

    fn adopt(&self, config: &Config) {
        let Some(directory) = &config.spool_dir else {
            return;
        };
        // Locked first: a segment that is neither an orphan any more nor ours yet would be missed by
        // who asks whether anything is left.
        let mut segments = lock(&self.core.segments);
        let found = spool::adopt(directory, Some(config.owner()), clock::now_ms());
        segments.extend(found.into_iter().map(Arc::new));
    }

    fn send(&mut self, at_once: bool) {
        let segments: Vec<_> = lock(&self.core.segments).iter().cloned().collect();
        for segment in segments {
            loop {
                let batch = next_batch(&segment, self.limits);
                if batch.events.is_empty() {
                    segment.set_delivered(batch.end.max(segment.delivered()));
                    break;
                }
                let is_full = batch.events.len() >= self.limits.events
                    || batch.body.len() >= self.limits.bytes;
                if !at_once && !is_full && !segment.is_sealed() {
                    break;
                }
                if !self.begin(&segment, &batch) {
                    continue;
                }
                let round = self.round(&batch);
                if !self.end(&segment, &batch, &round) {
                    return;
                }
                self.beat();
            }
            self.forget_finished(&segment);
        }
    }

    /// Marks the batch as on its way. False if it was given up meanwhile.
    fn begin(&self, segment: &Segment, batch: &Batch) -> bool {
        let _segments = lock(&self.core.segments);
        let still_there = batch.end <= segment.end();
        if still_there {
            segment.in_flight.store(batch.end, Ordering::Release);
        }
        still_there
    }

    /// Books what came of the batch. False if nothing more can be sent now.
    fn end(&mut self, segment: &Segment, batch: &Batch, round: &Round) -> bool {
        let segments = lock(&self.core.segments);
        segment.in_flight.store(0, Ordering::Release);
        match round {
            Round::Settled => {
                segment.set_delivered(batch.end);
                drop(segments);
                if std::mem::take(&mut self.failed_rounds) > 0 {
                    self.core.set_failing(false);
                }
                self.not_before = None;
                self.core.settle(batch.events.len() as u64, segment.own);
                if !segment.own {
                    Counters::add(&self.core.counters.adopted, batch.events.len() as u64);
                }
                true
            }
            Round::Smaller => true,
            Round::Stopped => false,
            Round::Failed(retry_after) => {
                drop(segments);
                let pause = PROBE_PAUSE * 2_u32.pow(self.failed_rounds.min(5));
                let pause = pause.min(MAX_PROBE_PAUSE);
                let pause = pause / 2 + random_below(pause / 2);
                self.not_before = Some(Instant::now() + pause.max(*retry_after));
                self.failed_rounds = self.failed_rounds.saturating_add(1);
                self.core.set_failing(true);
                false
            }
        }
    }

    fn forget_finished(&self, segment: &Arc<Segment>) {
        if segment.is_finished() {
            segment.delete();
            lock(&self.core.segments).retain(|other| !Arc::ptr_eq(other, segment));
        }
    }

    /// Sends a batch until the server has answered for it, `max_retries` times again. A server that
    /// failed the round before gets one try.
    fn round(&mut self, batch: &Batch) -> Round {
        let retries = match &self.config {
            Some(config) if self.failed_rounds == 0 => config.max_retries,
            _ => 0,
        };
        let mut retry = 0;
        loop {
            let Some(sender) = &mut self.sender else {
                return Round::Stopped;
            };
            Counters::add(&self.core.counters.requests, 1);
            let answer = sender.post(&batch.body);
            let (reason, retry_after) = match answer {
                Answer::Accepted(rejections) => return self.accepted(batch, rejections),
                Answer::Refused(reason) => return self.refused(batch, &reason),
                Answer::TooLarge(reason) if batch.events.len() == 1 => {
                    return self.refused(batch, &reason);
                }
                Answer::TooLarge(_) => {
                    self.failed("413 the server takes smaller batches".to_owned());
                    self.limits.events = (batch.events.len() / 2).max(1);
                    return Round::Smaller;
                }
                Answer::Encoding if sender.give_up_compression() => continue,
                Answer::Encoding => ("415 unsupported_encoding".to_owned(), None),
                Answer::Later {
                    reason,
                    retry_after,
                } => (reason, retry_after),
            };
            if self.core.dispatch().stopped_within(Duration::ZERO) {
                return Round::Stopped;
            }
            self.failed(reason);
            let asked = retry_after.unwrap_or_default();
            if retry >= retries || asked > LONGEST_WAIT_IN_A_ROUND {
                return Round::Failed(asked);
            }
            let pause = random_below((RETRY_PAUSE * 2_u32.pow(retry.min(10))).min(MAX_RETRY_PAUSE));
            if self.core.dispatch().stopped_within(asked + pause) {
                return Round::Stopped;
            }
            retry += 1;
        }
    }

    fn failed(&self, reason: String) {
        Counters::add(&self.core.counters.failures, 1);
        lock(&self.core.notices).last_error = Some(reason);
    }

    fn accepted(&self, batch: &Batch, rejections: Vec<Rejection>) -> Round {
        let refused = self.bury(batch, rejections);
        Counters::add(
            &self.core.counters.delivered,
            batch.events.len() as u64 - refused,
        );
        Round::Settled
    }

    /// Nothing of the batch is wanted; with a reason for each event where the server gave them.
    fn refused(&self, batch: &Batch, reason: &Reason) -> Round {
        self.failed(format!("{} {}", reason.code, reason.detail));
        let rejections = (0..batch.events.len()).map(|index| {
            let own = reason
                .errors
                .iter()
                .find(|rejection| rejection.index == index);
            Rejection {
                index,
                reason: own.map_or(reason, |rejection| &rejection.reason).clone(),
            }
        });
        self.bury(batch, rejections.collect());
        Round::Settled
    }

    /// Keeps refused events where a person can look at them, and counts them.
    fn bury(&self, batch: &Batch, mut rejections: Vec<Rejection>) -> u64 {
        // A server may say anything; each event is refused once at most.
        rejections.sort_by_key(|rejection| rejection.index);
        rejections.dedup_by_key(|rejection| rejection.index);
        let mut lines = Vec::new();
        let mut count = 0;
        let at = clock::now_ms();
        for Rejection { index, reason } in &rejections {
            let Some(event) = batch.events.get(*index) else {
                continue;
            };
            let event: Option<&RawValue> = serde_json::from_slice(&batch.body[event.clone()]).ok();
            let line =
                json!({"at_ms": at, "code": reason.code, "detail": reason.detail, "event": event});
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
            count += 1;
        }
        if count == 0 {
            return 0;
        }
        let directory = self
            .config
            .as_ref()
            .and_then(|config| config.spool_dir.as_deref());
        let kept = directory.is_some_and(|directory| spool::bury(directory, &lines));
        let counters = &self.core.counters;
        let counter = if kept {
            &counters.dead_lettered
        } else {
            &counters.dropped
        };
        Counters::add(counter, count);
        if let Some(Rejection { reason, .. }) = rejections.first() {
            self.core.notice(format!(
                "the server refused {count} events, the first because of {}: {}",
                reason.code, reason.detail
            ));
        }
        count
    }
}

/// Full jitter: clients that failed together do not come back together.
pub(crate) fn random_below(limit: Duration) -> Duration {
    let random = Uuid::new_v4().as_fields().0;
    limit.mul_f64(f64::from(random) / f64::from(u32::MAX))
}
