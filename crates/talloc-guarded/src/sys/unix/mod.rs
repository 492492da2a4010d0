//! Unix.

mod faults;
mod modules;
mod pages;
mod stack;
mod symbols;

use std::ffi::CStr;

pub use faults::{has_handler, watch};
pub use modules::module;
pub use pages::{commit, decommit, page_size, release, reserve};
pub use stack::{IS_LARGE, call};

/// A number of this thread that no other thread of the process has.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn thread() -> u64 {
    rustix::thread::gettid().as_raw_nonzero().get() as u64
}

/// A number of this thread that no other thread of the process has.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn thread() -> u64 {
    // SAFETY: `pthread_self` has no preconditions.
    unsafe { libc::pthread_self() as usize as u64 }
}

/// Returns the ID of this process.
pub fn process() -> u32 {
    rustix::process::getpid().as_raw_nonzero().get() as u32
}

/// Yields the processor to other threads.
pub fn pause() {
    rustix::thread::sched_yield();
}

/// Writes to the standard error, unbuffered. Ignores errors, because they cannot be reported.
pub fn write_error(bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(rustix::stdio::stderr(), rest) {
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// Reads an environment variable, without allocating.
pub fn with_variable<T>(name: &CStr, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    // SAFETY: The name is a C string. The contract of `std::env::set_var` rules out concurrent changes of the environment.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        (!value.is_null()).then(|| read(CStr::from_ptr(value).to_bytes()))
    }
}
