//! The four things that safe Rust cannot say: a mapping as words, a handler that runs around every
//! fork, the value of a context variable, and a descriptor that somebody else may have closed.
#![expect(
    unsafe_code,
    reason = "mmap, pthread_atfork and PyContextVar_Get have no safe interface"
)]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::slice;
use std::sync::Once;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapMut, MmapOptions, MmapRaw};
use pyo3::prelude::*;

/// Zeroed memory, shared with a file or private to this process.
pub(crate) struct Memory(MmapRaw);

impl Memory {
    /// Maps a file whose blocks are allocated: a hole on a full disk would be a SIGBUS.
    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        MmapOptions::new().map_raw(file).map(Self)
    }

    pub(crate) fn anonymous(bytes: usize) -> io::Result<Self> {
        MmapMut::map_anon(bytes).map(|map| Self(MmapRaw::from(map)))
    }

    #[expect(clippy::cast_ptr_alignment, reason = "a mapping begins at a page")]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping lives as long as `self`, begins at a page, and every access to it, in
        // whichever process, is by atomic words.
        unsafe { slice::from_raw_parts(self.0.as_ptr().cast::<AtomicU64>(), self.0.len() / 8) }
    }

    /// Has the kernel find the pages now, all at once, not each when it is first written.
    pub(crate) fn populate(&self) {
        #[cfg(target_os = "linux")]
        let _ = self.0.advise(memmap2::Advice::PopulateWrite);
    }

    /// Returns when the bytes are on the disk.
    pub(crate) fn sync(&self, offset: usize, bytes: usize) -> io::Result<()> {
        self.0.flush_range(offset, bytes)
    }
}

/// Has these run around every fork of this process, also those that C code makes.
pub(crate) fn around_fork(
    prepare: extern "C" fn(),
    parent: extern "C" fn(),
    child: extern "C" fn(),
) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers are functions of this library, which Python never unloads.
        unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    });
}

/// The value of a `contextvars.ContextVar` that was made with a default.
#[cfg(not(feature = "abi3"))]
pub(crate) fn context_value<'py>(
    py: Python<'py>,
    variable: &Py<PyAny>,
) -> Option<Bound<'py, PyAny>> {
    let mut value = std::ptr::null_mut();
    // SAFETY: the interpreter is attached; `variable` is a ContextVar, made by our own module; the
    // call stores a new reference, or NULL where there is no value.
    unsafe {
        if pyo3::ffi::PyContextVar_Get(variable.as_ptr(), std::ptr::null_mut(), &raw mut value) < 0
        {
            pyo3::ffi::PyErr_Clear();
            return None;
        }
        Bound::from_owned_ptr_or_opt(py, value)
    }
}

/// The value of a `contextvars.ContextVar`; the stable ABI has no function for it.
#[cfg(feature = "abi3")]
pub(crate) fn context_value<'py>(
    py: Python<'py>,
    variable: &Py<PyAny>,
) -> Option<Bound<'py, PyAny>> {
    let get = pyo3::intern!(py, "get");
    variable.bind(py).call_method0(get).ok()
}

/// A file that is closed only if it is still the one that was opened: daemons close descriptors
/// they do not know, and the number may be somebody's socket by now.
pub(crate) struct OwnedFile {
    file: ManuallyDrop<File>,
    identity: (u64, u64),
}

impl OwnedFile {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            file: ManuallyDrop::new(file),
            identity: (metadata.dev(), metadata.ino()),
        })
    }
}

impl Drop for OwnedFile {
    fn drop(&mut self) {
        let is_ours = self
            .file
            .metadata()
            .is_ok_and(|now| (now.dev(), now.ino()) == self.identity);
        if is_ours {
            // SAFETY: the descriptor refers to the file that was opened, and nobody uses it again.
            unsafe { libc::close(self.file.as_raw_fd()) };
        }
    }
}
