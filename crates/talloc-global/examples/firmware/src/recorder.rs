//! With the feature `trace`, writes a trace and a snapshot of the heap to files on the host.
//!
//! `talloc fit` computes from the trace how much memory the program needs. `talloc map` shows the layout of the heap
//! from either file.

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use lock_api::{GuardSend, RawMutex};
use semihosting::fs::File;
use semihosting::io::{self, Write};
use talloc_trace::{Bare, Sink, Traced};

/// An allocator that records all requests to `A`, including those of interrupt handlers.
pub struct Recorded<A>(Traced<A, Host, Flag, Bare>);

impl<A> Recorded<A> {
    pub const fn new(inner: A) -> Self {
        Self(Traced::new(inner))
    }

    /// Returns the inner allocator.
    pub fn inner(&self) -> &A {
        self.0.inner()
    }

    /// Starts the trace.
    pub fn start(&self) {
        let host = Host::create(1, c"firmware.atr").expect("the debugger creates the file");
        let started = critical_section::with(|_| self.0.start(host));
        assert!(started.is_ok(), "the trace did not start");
    }

    /// Stops the trace, and checks that no event was lost.
    pub fn stop(&self) {
        let host = critical_section::with(|_| self.0.stop());
        assert!(host.is_some() && self.0.lost() == 0, "{} events are lost", self.0.lost());
    }
}

// SAFETY: The inner allocator serves all requests. Events are written in critical sections, so none is lost, and they
// are in order.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Recorded<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller upholds the contract of `GlobalAlloc::alloc`.
        critical_section::with(|_| unsafe { self.0.alloc(layout) })
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: The caller upholds the contract of `GlobalAlloc::dealloc`.
        critical_section::with(|_| unsafe { self.0.dealloc(ptr, layout) });
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The caller upholds the contract of `GlobalAlloc::realloc`.
        critical_section::with(|_| unsafe { self.0.realloc(ptr, layout, new_size) })
    }
}

/// A file on the machine that runs the emulator or the debugger.
pub struct Host(File);

impl Host {
    /// Creates the file that the command line names in argument `word`, counted from 0. Without that argument,
    /// creates the file `default`.
    pub fn create(word: usize, default: &CStr) -> io::Result<Self> {
        let arguments = semihosting::experimental::env::args::<512>()?;
        let mut name = [0; 512];
        if let Some(Ok(argument)) = (&arguments).nth(word) {
            name[..argument.len()].copy_from_slice(argument.as_bytes());
        }
        let file = match CStr::from_bytes_until_nul(&name) {
            Ok(name) if !name.is_empty() => File::create(name),
            _ => File::create(default),
        };
        file.map(Self)
    }
}

impl Sink for Host {
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }
}

/// The recorder's lock. It is used only in critical sections, so no one ever waits for it.
struct Flag(AtomicBool);

// SAFETY: A critical section makes the test and the update of the flag atomic. So only one caller acquires the lock
// until it is released.
unsafe impl RawMutex for Flag {
    #[allow(clippy::declare_interior_mutable_const, reason = "`RawMutex` requires this constant")]
    const INIT: Self = Self(AtomicBool::new(false));
    type GuardMarker = GuardSend;

    fn lock(&self) {
        assert!(self.try_lock(), "the recorder is used recursively");
    }

    fn try_lock(&self) -> bool {
        critical_section::with(|_| {
            let is_free = !self.0.load(Relaxed);
            self.0.store(true, Relaxed);
            is_free
        })
    }

    unsafe fn unlock(&self) {
        self.0.store(false, Relaxed);
    }
}
