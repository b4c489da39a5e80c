//! What happens around a fork. The thread is gone before it, so no lock is held in the child and no
//! Python warns of threads; the child lets the parent's segments go and starts nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::core::Core;
use crate::{ffi, lock};

static CORES: Mutex<Vec<Weak<Core>>> = Mutex::new(Vec::new());
/// Python makes this fork and calls `resume` itself, later than C's handler would.
static BY_PYTHON: AtomicBool = AtomicBool::new(false);

/// Has `core` stopped before each fork from now on.
pub(crate) fn watch(core: &Arc<Core>) {
    let mut cores = lock(&CORES);
    let core = Arc::downgrade(core);
    if !cores.iter().any(|known| known.ptr_eq(&core)) {
        cores.retain(|known| known.strong_count() > 0);
        cores.push(core);
    }
    ffi::around_fork(prepare, parent, child);
}

fn cores() -> Vec<Arc<Core>> {
    lock(&CORES).iter().filter_map(Weak::upgrade).collect()
}

/// Python is about to fork.
pub(crate) fn python_forks() {
    BY_PYTHON.store(true, Ordering::Release);
}

/// The parent goes on.
pub(crate) fn resume() {
    BY_PYTHON.store(false, Ordering::Release);
    for core in cores() {
        core.resume();
    }
}

extern "C" fn prepare() {
    for core in cores() {
        core.dispatch().pause();
    }
}

extern "C" fn parent() {
    if !BY_PYTHON.load(Ordering::Acquire) {
        resume();
    }
}

extern "C" fn child() {
    BY_PYTHON.store(false, Ordering::Release);
    let Ok(cores) = CORES.try_lock() else {
        return;
    };
    for core in cores.iter().filter_map(Weak::upgrade) {
        core.abandon();
    }
}
