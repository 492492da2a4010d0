//! The time before `main`, in which the standard library installs its handler of faults.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::sys;

/// How many requests are waited for, in the hope that the standard library installs its handler. It makes a few before,
/// none of which is large. A program whose `main` is not Rust's has none.
const REQUESTS: usize = 16;

/// Tells when a handler of faults may be installed that does not displace the standard library's.
///
/// The standard library allocates between looking whether there is a handler and installing its own, which would replace
/// ours.
pub struct StartUp {
    requests: AtomicUsize,
}

impl StartUp {
    pub const fn new() -> Self {
        Self { requests: AtomicUsize::new(0) }
    }

    /// Counts a request. Returns whether a handler may be installed.
    pub fn is_over(&self) -> bool {
        sys::has_handler() || self.requests.fetch_add(1, Relaxed) >= REQUESTS
    }
}
