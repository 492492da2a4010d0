//! Call stacks.

/// Writes the return addresses of the callers into `frames`, innermost first, and returns how many there are.
///
/// The first ones lie in this function and its callers in the allocator. On Unix, it allocates nothing and takes no
/// lock.
///
/// # Examples
///
/// ```
/// let mut frames = [0; 32];
/// let depth = talloc_sampling::call_stack(&mut frames);
/// assert!(depth > 1 && frames[..depth].iter().all(|address| *address != 0));
/// ```
#[inline(never)]
pub fn call_stack(frames: &mut [u64]) -> usize {
    let mut depth = 0;
    trace(|frame| {
        let Some(place) = frames.get_mut(depth) else { return false };
        // The outermost frame may have none.
        if !frame.ip().is_null() {
            *place = frame.ip().addr() as u64;
            depth += 1;
        }
        depth < frames.len()
    });
    depth
}

#[cfg(not(windows))]
fn trace(each: impl FnMut(&backtrace::Frame) -> bool) {
    // The lock of the crate must not be taken: a thread that holds it may have been interrupted, or may be gone after
    // a fork.
    // SAFETY: Outside of Windows the unwinder needs no synchronisation.
    unsafe { backtrace::trace_unsynchronized(each) }
}

#[cfg(windows)]
fn trace(each: impl FnMut(&backtrace::Frame) -> bool) {
    backtrace::trace(each);
}

/// Functions that lie between a program and its allocator, by the beginnings of their names.
const MACHINERY: [&str; 17] = [
    "backtrace::",
    "talloc_sampling::",
    "talloc_profile::",
    "<talloc_profile::",
    "talloc_guarded::",
    "<talloc_guarded::",
    "__rustc::__rust_",
    "__rustc[",
    "__rust_",
    "__rdl_",
    "__rg_",
    "alloc::alloc::",
    "std::thread::local::LocalKey<",
    "<std::thread::local::LocalKey<",
    "<alloc::alloc::",
    "core::ops::function::FnOnce::call_once",
    "_Unwind_Backtrace",
];

/// Whether a function belongs to an allocator or what leads to it, by its demangled name.
///
/// The first functions of a call stack for which this is so can be left out.
///
/// # Examples
///
/// ```
/// assert!(talloc_sampling::is_machinery("alloc::alloc::exchange_malloc"));
/// assert!(!talloc_sampling::is_machinery("program::main"));
/// ```
pub fn is_machinery(function: &str) -> bool {
    MACHINERY.iter().any(|start| function.starts_with(start))
}
