//! The native core of the Python package `meterd`.
//!
//! - [`client`], [`meter`]: the classes that Python sees.
//! - [`queue`], [`segment`], [`spool`]: from a call to an event that survives the process.
//! - [`core`], [`dispatch`], [`delivery`], [`encode`], [`sender`]: from there to the server.
//! - [`ask`]: questions about quotas.
//! - [`fork`], [`ffi`]: what the operating system and the interpreter do besides.

mod ask;
mod client;
mod clock;
mod config;
mod core;
mod delivery;
mod dispatch;
mod encode;
mod ffi;
mod fork;
mod meter;
mod queue;
mod segment;
mod sender;
mod spool;
mod stats;

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

/// A panic elsewhere is no reason to stop metering: what the locks protect is consistent between
/// any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Python is about to fork.
#[pyfunction]
fn before_fork() {
    fork::python_forks();
}

/// Python has forked, and this is the parent.
#[pyfunction]
fn after_fork() {
    fork::resume();
}

/// Events that the segments of a directory hold and nobody has delivered yet.
#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 hands a path over as its own"
)]
fn pending_in(directory: std::path::PathBuf) -> u64 {
    spool::pending(&directory)
}

/// An id for what will be an event: a UUIDv7, as the server's ids.
#[pyfunction]
fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<client::Client>()?;
    module.add_class::<meter::BoundMeter>()?;
    module.add_function(wrap_pyfunction!(pending_in, module)?)?;
    module.add_function(wrap_pyfunction!(new_id, module)?)?;
    module.add_function(wrap_pyfunction!(before_fork, module)?)?;
    module.add_function(wrap_pyfunction!(after_fork, module)?)
}
