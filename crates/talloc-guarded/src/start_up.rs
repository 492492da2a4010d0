//! The time before `main`, in which the standard library installs its handler of faults.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::sys;

/// The number of requests after which sampling starts even if there is no handler of faults. The standard library makes a
/// few small requests before it installs its handler. It installs none in a program whose `main` is not Rust's.
const REQUESTS: usize = 16;

/// Decides when this crate may install its handler of faults.
///
/// The standard library first checks that there is no handler, then allocates, and then installs its own handler. A
/// handler that this crate installed during that allocation would be replaced.
pub struct StartUp {
    requests: AtomicUsize,
}

impl StartUp {
    pub const fn new() -> Self {
        Self { requests: AtomicUsize::new(0) }
    }

    /// Counts a request. Returns whether the handler may be installed.
    pub fn is_over(&self) -> bool {
        sys::has_handler() || self.requests.fetch_add(1, Relaxed) >= REQUESTS
    }
}
