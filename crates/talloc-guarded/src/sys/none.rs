//! Unsupported systems: no blocks are guarded.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use crate::report::Action;
use crate::sys::Cause;

pub fn page_size() -> usize {
    4096
}

/// Reserves nothing.
pub fn reserve(_: usize) -> Option<NonNull<u8>> {
    None
}

/// # Safety
///
/// None. There are no pages.
pub unsafe fn commit(_: NonNull<u8>, _: usize) -> bool {
    false
}

/// # Safety
///
/// None. There are no pages.
pub unsafe fn decommit(_: NonNull<u8>, _: usize) -> bool {
    false
}

/// # Safety
///
/// None. There are no pages.
pub unsafe fn release(_: NonNull<u8>, _: usize) {}

/// Returns true: there may be a handler.
pub fn has_handler() -> bool {
    true
}

/// Does nothing: faults are not reported.
pub fn watch(_: Cause, _: fn(usize, Action) -> bool) {}

/// Returns the same number for all threads.
pub fn thread() -> u64 {
    0
}

/// Returns the same number for all processes.
pub fn process() -> u32 {
    1
}

pub fn pause() {
    std::hint::spin_loop();
}

/// Writes nothing.
pub fn write_error(_: &[u8]) {}

/// The environment is not read.
pub fn with_variable<T>(_: &CStr, _: impl FnOnce(&[u8]) -> T) -> Option<T> {
    None
}

/// Whether [`call`] has a stack of its own.
pub const IS_LARGE: bool = false;

/// Calls a function on this stack.
///
/// # Safety
///
/// None here; implementations for other systems have requirements.
pub unsafe fn call(function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    function(argument);
}

/// Modules are not known.
pub struct Module(std::convert::Infallible);

impl Module {
    pub fn name(&self) -> &str {
        match self.0 {}
    }

    pub fn offset(&self) -> usize {
        match self.0 {}
    }

    pub fn with_symbol(&self, _: impl FnOnce(&str)) -> bool {
        match self.0 {}
    }
}

pub fn module(_: usize) -> Option<Module> {
    None
}
