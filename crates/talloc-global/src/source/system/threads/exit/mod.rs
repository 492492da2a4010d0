//! Notification when a thread ends.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use unix::{begin, watch};
#[cfg(windows)]
pub(super) use windows::{begin, watch};
