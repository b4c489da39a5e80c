//! What the calls and the delivery thread of one client share.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use ureq::Agent;

use crate::config::{Config, OnFull, Transport};
use crate::queue::Queue;
use crate::segment::Segment;
use crate::stats::Counters;
use crate::{clock, delivery, fork, lock, spool};

/// A fork and a stop wait this long for the thread; only a name server can hold it longer.
const PAUSE: Duration = Duration::from_secs(1);
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
    orders: Mutex<Orders>,
    /// The thread has something to do, or to leave.
    wake: Condvar,
    /// Events were settled, or the thread has ended.
    progress: Condvar,
    pub(crate) counters: Counters,
    pub(crate) notices: Mutex<Notices>,
    /// Events of this process that are settled, for those that wait for it.
    pub(crate) settled: AtomicU64,
    failing: AtomicBool,
    /// When there was no room last.
    full_at_ms: AtomicU64,
}

#[derive(Default)]
struct Orders {
    /// What the thread was asked for since it looked last; the most of it counts.
    asked: Option<Order>,
    running: bool,
    thread: Option<JoinHandle<()>>,
    agent: Option<Agent>,
}

/// What a person should hear about.
#[derive(Default)]
pub(crate) struct Notices {
    /// Not yet logged.
    pub(crate) unread: Vec<String>,
    /// Why the last request that failed did.
    pub(crate) last_error: Option<String>,
}

/// Why the thread was woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Send what makes a full batch.
    Batches,
    /// Send everything.
    Everything,
    Stop,
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
            directory.inspect(|directory| spool::reclaim(directory));
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
        let _orders = lock(&self.orders);
        self.progress.notify_all();
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

    /// Starts the thread, unless it runs.
    pub(crate) fn start(self: &Arc<Self>) {
        let mut orders = lock(&self.orders);
        if orders.running {
            return;
        }
        fork::watch(self);
        orders.asked = None;
        let core = Arc::clone(self);
        let thread = std::thread::Builder::new().name("meterd".to_owned());
        // Without a thread the events wait; the next full batch tries again.
        if let Ok(thread) = thread.spawn(move || delivery::run(&core)) {
            orders.running = true;
            orders.thread = Some(thread);
        }
    }

    /// Starts the thread again if there is something to send.
    pub(crate) fn resume(self: &Arc<Self>) {
        if !lock(&self.segments).is_empty() {
            self.start();
        }
    }

    /// Has the thread look at the queue.
    pub(crate) fn wake(self: &Arc<Self>) {
        self.start();
        self.ask(Order::Batches);
    }

    /// Has everything sent. The caller waits with `settled_by`.
    pub(crate) fn flush(self: &Arc<Self>) {
        self.resume();
        self.ask(Order::Everything);
    }

    fn ask(&self, order: Order) {
        let mut orders = lock(&self.orders);
        orders.asked = orders.asked.max(Some(order));
        self.wake.notify_one();
    }

    /// Waits until events were settled, at most for `wait`.
    pub(crate) fn wait_for_progress(&self, wait: Duration, done: impl Fn() -> bool) -> bool {
        let orders = lock(&self.orders);
        let waiting = |_: &mut Orders| !done();
        let waited = self.progress.wait_timeout_while(orders, wait, waiting);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Stops the thread, in the middle of a request if need be. What it was sending stays queued.
    pub(crate) fn pause(&self) {
        let mut orders = lock(&self.orders);
        if !orders.running {
            return;
        }
        orders.asked = Some(Order::Stop);
        self.wake.notify_one();
        if let Some(agent) = orders.agent.take() {
            agent.shutdown();
        }
        let running = |orders: &mut Orders| orders.running;
        let waited = self.progress.wait_timeout_while(orders, PAUSE, running);
        let mut orders = waited.unwrap_or_else(PoisonError::into_inner).0;
        let thread = orders.thread.take().filter(|_| !orders.running);
        drop(orders);
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    /// Leaves the queue to others: its process ends.
    pub(crate) fn release(&self) {
        self.pause();
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
        if let Ok(mut orders) = self.orders.try_lock() {
            std::mem::forget(std::mem::take(&mut *orders));
        }
        self.settled.store(0, Ordering::Release);
        self.counters.reset();
    }

    // The thread's side.

    /// Waits for an order, at most for `wait`; then for a look at what is due.
    pub(crate) fn next_order(&self, wait: Duration) -> Order {
        let orders = lock(&self.orders);
        let idle = |orders: &mut Orders| orders.asked.is_none();
        let waited = self.wake.wait_timeout_while(orders, wait, idle);
        let mut orders = waited.unwrap_or_else(PoisonError::into_inner).0;
        orders.asked.take().unwrap_or(Order::Batches)
    }

    /// Waits, and says whether the thread is to stop.
    pub(crate) fn stopped_within(&self, wait: Duration) -> bool {
        let orders = lock(&self.orders);
        let goes_on = |orders: &mut Orders| orders.asked != Some(Order::Stop);
        let waited = self.wake.wait_timeout_while(orders, wait, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0.asked == Some(Order::Stop)
    }

    /// A request of `agent` can be ended by `pause`.
    pub(crate) fn uses(&self, agent: Agent) {
        lock(&self.orders).agent = Some(agent);
    }

    pub(crate) fn ended(&self) {
        let mut orders = lock(&self.orders);
        orders.running = false;
        self.progress.notify_all();
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
