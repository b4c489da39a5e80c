//! What the calls and the delivery thread of one client share.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use pyo3::prelude::*;

use crate::ask::Asker;
use crate::config::{Config, OnFull, Transport};
use crate::dispatch::{Dispatch, Order};
use crate::queue::Queue;
use crate::segment::Segment;
use crate::stats::Counters;
use crate::{clock, delivery, fork, lock, spool};

/// A full queue stays full for so long, unless it gives up its oldest events.
const FULL_FOR_MS: u64 = 20;
/// Notices that nobody has read yet; the first ones say most.
const MAX_UNREAD_NOTICES: usize = 16;

#[derive(Default)]
pub(crate) struct Core {
    pub(crate) config: RwLock<Option<Arc<Config>>>,
    // Locked in this order, where more than one is.
    pub(crate) queue: Mutex<Queue>,
    pub(crate) segments: Mutex<VecDeque<Arc<Segment>>>,
    /// Another one in the child of a fork: the parent's may be locked, by a thread that waits.
    dispatch: RwLock<Arc<Dispatch>>,
    pub(crate) asker: Asker,
    pub(crate) counters: Counters,
    pub(crate) notices: Mutex<Notices>,
    /// Events of this process that are settled, for those that wait for it.
    pub(crate) settled: AtomicU64,
    failing: AtomicBool,
    /// When there was no room last.
    full_at_ms: AtomicU64,
}

/// What a person should hear about.
#[derive(Default)]
pub(crate) struct Notices {
    /// Not yet logged.
    pub(crate) unread: Vec<String>,
    /// Why the last request that failed did.
    pub(crate) last_error: Option<String>,
}

/// What came of asking for a new segment.
pub(crate) enum Room {
    Made,
    /// This event is dropped.
    None,
    /// Wait until something was delivered.
    Wait,
}

impl Core {
    pub(crate) fn configured(&self) -> Option<Arc<Config>> {
        self.config
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The same configuration again changes nothing.
    pub(crate) fn configure(&self, config: Config) {
        let before = self.configured();
        if before.as_deref() == Some(&config) {
            return;
        }
        let config = Arc::new(config);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&config));
        let mut queue = lock(&self.queue);
        queue.wake_every = match config.transport {
            Transport::Batch => config.batch.events,
            _ => 1,
        };
        let moves = before.is_some_and(|before| {
            before.spool_dir != config.spool_dir
                || before.transport != config.transport
                || before.sync_to_disk != config.sync_to_disk
        });
        if moves {
            queue.close();
        }
        for segment in lock(&self.segments).iter() {
            segment.set_owner(config.owner());
        }
    }

    /// Makes the next segment, for an event that found no room.
    pub(crate) fn make_room(self: &Arc<Self>, config: &Config) -> Room {
        if config.on_full == OnFull::DropNewest && clock::now_ms() < self.look_again_ms() {
            return Room::None;
        }
        let mut queue = lock(&self.queue);
        queue.close();
        let mut segments = lock(&self.segments);
        let units = spool::units(config.spool_max_bytes, queue.segments);
        let mut open = self.open_next(&segments, config, units);
        if open.is_none() && config.on_full == OnFull::DropOldest {
            let gave_up = self.give_up_oldest(&mut segments);
            open = self.open_next(&segments, config, units);
            if open.is_none() && !gave_up {
                // Everything is on its way, or somebody else's: one segment more than the limit.
                open = open_segment(config, units).ok();
            }
        }
        let Some(segment) = open.map(Arc::new) else {
            self.full_at_ms.store(clock::now_ms(), Ordering::Relaxed);
            return match config.on_full {
                OnFull::Block => Room::Wait,
                OnFull::DropOldest | OnFull::DropNewest => Room::None,
            };
        };
        segments.push_back(Arc::clone(&segment));
        queue.open(segment, config.sync_to_disk);
        drop((queue, segments));
        self.start();
        Room::Made
    }

    /// Looking at the directory for every event that is dropped would slow its caller.
    fn look_again_ms(&self) -> u64 {
        self.full_at_ms.load(Ordering::Relaxed) + FULL_FOR_MS
    }

    /// None where the limit or the disk leaves no room.
    fn open_next(
        &self,
        segments: &VecDeque<Arc<Segment>>,
        config: &Config,
        units: u64,
    ) -> Option<Segment> {
        let directory = config.spool_dir.as_deref().filter(|path| path.is_dir());
        let in_memory = segments.iter().filter(|segment| !segment.on_disk());
        let in_memory: u64 = in_memory.map(|segment| segment.bytes()).sum();
        let has_room = || {
            let used = in_memory + directory.map_or(0, spool::used_bytes);
            used + Segment::bytes_of(units) <= config.spool_max_bytes
        };
        if !has_room() {
            if let Some(directory) = directory {
                spool::reclaim(directory);
            }
            if !has_room() {
                return None;
            }
        }
        let error = match open_segment(config, units) {
            Ok(segment) => return Some(segment),
            Err(error) => error,
        };
        // With a full disk, what is on it already is the queue; without any of it, memory is.
        if segments.iter().any(|segment| segment.on_disk()) {
            return None;
        }
        if segments.is_empty() {
            self.notice(format!(
                "no queue on disk, so events do not survive a kill: {error}"
            ));
        }
        Segment::in_memory(units, config.owner(), clock::now_ms()).ok()
    }

    /// Gives up the events of the oldest segment that are not on their way. False if there are none.
    fn give_up_oldest(&self, segments: &mut VecDeque<Arc<Segment>>) -> bool {
        for place in 0..segments.len() {
            let segment = Arc::clone(&segments[place]);
            let count = segment.give_up();
            if segment.is_finished() {
                segment.delete();
                segments.remove(place);
            }
            if count > 0 {
                self.dropped(count, segment.own);
                return true;
            }
        }
        false
    }

    /// An event that is nowhere: it counts as recorded and as dropped.
    pub(crate) fn drop_newest(&self) {
        lock(&self.queue).recorded += 1;
        self.dropped(1, true);
    }

    fn dropped(&self, count: u64, own: bool) {
        Counters::add(&self.counters.dropped, count);
        self.settle(count, own);
    }

    /// Events of this process need no sending any more.
    pub(crate) fn settle(&self, count: u64, own: bool) {
        if own {
            self.settled.fetch_add(count, Ordering::AcqRel);
        }
        self.dispatch().announce_progress();
    }

    /// What the last round said: the server is away.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// Those that wait for the server may want to stop waiting.
    pub(crate) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Release);
        self.settle(0, true);
    }

    /// `disk`, `memory` or `none`, and the bytes of the segments this process sends.
    pub(crate) fn queue_place(&self) -> (&'static str, u64) {
        let segments = lock(&self.segments);
        let bytes = segments.iter().map(|segment| segment.bytes()).sum();
        let place = match segments.back() {
            Some(segment) if segment.on_disk() => "disk",
            Some(_) => "memory",
            None => "none",
        };
        (place, bytes)
    }

    /// Whether neither this process nor a dead one has anything left to send.
    pub(crate) fn is_drained(&self, config: &Config) -> bool {
        let adopted = lock(&self.segments).iter().any(|segment| !segment.own);
        let directory = config.spool_dir.as_deref();
        !adopted
            && self.pending() == 0
            && directory.is_none_or(|directory| !spool::has_orphans(directory, config.owner()))
    }

    pub(crate) fn pending(&self) -> u64 {
        let recorded = lock(&self.queue).recorded;
        recorded.saturating_sub(self.settled.load(Ordering::Acquire))
    }

    pub(crate) fn notice(&self, text: String) {
        let mut notices = lock(&self.notices);
        if notices.unread.len() < MAX_UNREAD_NOTICES {
            notices.unread.push(text);
        }
    }

    pub(crate) fn dispatch(&self) -> Arc<Dispatch> {
        Arc::clone(&self.dispatch.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Starts the thread, unless it runs.
    pub(crate) fn start(self: &Arc<Self>) {
        fork::watch(self);
        let core = Arc::clone(self);
        self.dispatch().start(move || delivery::run(&core));
    }

    /// Starts the thread again if there is something to send.
    pub(crate) fn resume(self: &Arc<Self>) {
        if !lock(&self.segments).is_empty() {
            self.start();
        }
    }

    /// Asks as [`Asker::ask`] does. A process that only asks starts no thread, and its forks are to be
    /// watched all the same: the child must not wait for locks of threads that it does not have.
    pub(crate) fn ask(
        self: &Arc<Self>,
        py: Python<'_>,
        config: &Arc<Config>,
        path: &str,
        body: &str,
        timeout: Duration,
    ) -> PyResult<Result<(u16, String), String>> {
        fork::watch(self);
        self.asker.ask(py, config, path, body, timeout)
    }

    /// Has the thread look at the queue.
    pub(crate) fn wake(self: &Arc<Self>) {
        self.start();
        self.dispatch().ask(Order::Batches);
    }

    /// Has everything sent; `Dispatch::wait_for_progress` waits for it.
    pub(crate) fn flush(self: &Arc<Self>) {
        self.resume();
        self.dispatch().ask(Order::Everything);
    }

    /// Leaves the queue to others: its process ends.
    pub(crate) fn release(&self) {
        self.dispatch().pause();
        lock(&self.queue).close();
        for segment in lock(&self.segments).drain(..) {
            if segment.is_finished() {
                segment.delete();
            }
            segment.beat(0);
        }
    }

    /// For the child of a fork: the parent's segments and thread are the parent's.
    pub(crate) fn abandon(&self) {
        // What cannot be locked belongs to a thread that does not exist here.
        if let Ok(mut queue) = self.queue.try_lock() {
            queue.abandon();
        }
        if let Ok(mut segments) = self.segments.try_lock() {
            segments.clear();
        }
        // Neither its thread nor its connection is this process'.
        if let Ok(mut dispatch) = self.dispatch.try_write() {
            std::mem::forget(std::mem::take(&mut *dispatch));
        }
        self.asker.abandon();
        self.settled.store(0, Ordering::Release);
        self.counters.reset();
    }
}

fn open_segment(config: &Config, units: u64) -> io::Result<Segment> {
    match &config.spool_dir {
        Some(directory) => {
            spool::prepare(directory)?;
            Segment::create(directory, units, config.owner(), clock::now_ms())
        }
        None => Segment::in_memory(units, config.owner(), clock::now_ms()),
    }
}
