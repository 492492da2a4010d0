//! The calling thread's heap: a thread-local pointer, which each call reads.

#[cfg(initial_exec)]
mod fixed;
#[cfg(not(initial_exec))]
mod portable;

#[cfg(initial_exec)]
pub(super) use fixed::{get, set};
#[cfg(not(initial_exec))]
pub(super) use portable::{get, set};
