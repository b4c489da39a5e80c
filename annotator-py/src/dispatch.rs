//! What the delivery thread is asked for, and what others wait for.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ureq::Agent;

use crate::lock;

/// A fork and a stop wait this long for the thread; only a name server can hold it longer.
const PAUSE: Duration = Duration::from_secs(1);

/// Why the thread was woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Send what makes a full batch.
    Batches,
    /// Send everything.
    Everything,
    Stop,
}

#[derive(Default)]
pub(crate) struct Dispatch {
    orders: Mutex<Orders>,
    /// The thread has something to do, or to leave.
    wake: Condvar,
    /// Events were settled, or the thread has ended.
    progress: Condvar,
}

#[derive(Default)]
struct Orders {
    /// What the thread was asked for since it looked last; the most of it counts.
    asked: Option<Order>,
    running: bool,
    thread: Option<JoinHandle<()>>,
    agent: Option<Agent>,
}

impl Dispatch {
    /// Starts the thread, unless it runs.
    pub(crate) fn start(&self, run: impl FnOnce() + Send + 'static) {
        let mut orders = lock(&self.orders);
        if orders.running {
            return;
        }
        orders.asked = None;
        let thread = std::thread::Builder::new().name("meterd".to_owned());
        // Without a thread the events wait; the next full batch tries again.
        if let Ok(thread) = thread.spawn(run) {
            orders.running = true;
            orders.thread = Some(thread);
        }
    }

    pub(crate) fn ask(&self, order: Order) {
        let mut orders = lock(&self.orders);
        orders.asked = orders.asked.max(Some(order));
        self.wake.notify_one();
    }

    /// Events were settled, or the server was found away.
    pub(crate) fn announce_progress(&self) {
        let _orders = lock(&self.orders);
        self.progress.notify_all();
    }

    /// Waits for progress until `done`, at most for `wait`.
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
