//! The handler of reports.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::mem;
use std::ptr;
use std::sync::atomic::{
    AtomicPtr, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::pool::Slot;
use crate::report::{Action, CallStack, Fault, Report};
use crate::sys;
use crate::tags::Tags;

/// Handles a [`Report`], and decides how the program continues. See [`set_handler`].
pub type Handler = fn(&Report) -> Reaction;

/// How a program continues after a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reaction {
    /// The program aborts.
    Abort,
    /// The program continues as well as it can.
    ///
    /// - After a bad access to a guarded block, the page becomes accessible until the block's slot is reused, and the
    ///   access takes place. The contents of freed blocks are lost, and read as zeros.
    /// - A bad call has no effect. If it was a reallocation, it fails. A block with overwritten bytes beside it is freed
    ///   nevertheless.
    /// - After an access with a wrong tag, the thread's accesses are not checked until it allocates again.
    Continue,
}

/// The handler of the program; null until it has set one.
static HANDLER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Sets the handler of all reports in this process. Without a handler, reports are [printed](Report::print), and the
/// program aborts.
///
/// For a bad access, the handler runs in a signal handler, on the thread that made the access. That thread may be in the
/// middle of any operation. The handler must therefore not wait for a lock that the program may hold, and must not
/// allocate from a heap that the error may have damaged. This crate does neither. While the handler runs, other threads
/// with an error wait. If the handler panics, the program aborts.
///
/// On x86-64 and AArch64, the handler has a stack of 256 KiB. Elsewhere it runs on the stack of the signal handler, which
/// may be small.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use talloc_guarded::{Reaction, Report};
///
/// static FOUND: AtomicUsize = AtomicUsize::new(0);
///
/// fn count(_: &Report) -> Reaction {
///     FOUND.fetch_add(1, Ordering::Relaxed);
///     Reaction::Continue
/// }
///
/// talloc_guarded::set_handler(count);
/// ```
pub fn set_handler(handler: Handler) {
    HANDLER.store(handler as *mut (), Release);
}

/// The memory that a report is about.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    Nothing,
    Slot(&'a Slot),
    Tags(Tags),
}

impl<'a> From<Option<&'a Slot>> for Subject<'a> {
    fn from(slot: Option<&'a Slot>) -> Self {
        slot.map_or(Self::Nothing, Self::Slot)
    }
}

/// The right to make a report. Only one thread has it at a time.
pub struct Reporting(());

/// The process and the thread that are making a report, or zero.
static REPORTING: AtomicU64 = AtomicU64::new(0);

/// The report that is being made. It is too large for the stacks of signal handlers.
struct Scratch(UnsafeCell<Report>);

// SAFETY: Only the thread with the right to make a report accesses the content.
unsafe impl Sync for Scratch {}

static SCRATCH: Scratch = Scratch(UnsafeCell::new(Report {
    action: Action::Access,
    addr: 0,
    fault: Fault::Foreign,
    block: None,
    tags: None,
    caller: CallStack::EMPTY,
    allocated: None,
    freed: None,
}));

impl Reporting {
    /// Waits until no other thread is making a report. Returns `None` if this thread is making one.
    pub fn begin() -> Option<Self> {
        let process = u64::from(sys::process()) << 32;
        let me = process | (sys::thread() & u64::from(u32::MAX));
        loop {
            let holder = REPORTING.load(Relaxed);
            if holder == me {
                return None;
            }
            // After a fork, a holder from the parent process does not exist in this process.
            let is_free = holder == 0 || holder >> 32 != process >> 32;
            if is_free && REPORTING.compare_exchange(holder, me, Acquire, Relaxed).is_ok() {
                return Some(Self(()));
            }
            sys::pause();
        }
    }

    /// Makes a report, and returns the handler's answer.
    #[inline(never)]
    pub fn report(
        self,
        action: Action,
        addr: usize,
        fault: Fault,
        subject: Subject<'_>,
    ) -> Reaction {
        // SAFETY: This thread has the right to make a report, until `self` is dropped.
        let report = unsafe { &mut *SCRATCH.0.get() };
        (report.action, report.addr, report.fault) = (action, addr, fault);
        let (slot, tags) = match subject {
            Subject::Nothing => (None, None),
            Subject::Slot(slot) => (Some(slot), None),
            Subject::Tags(tags) => (None, Some(tags)),
        };
        report.tags = tags;
        report.block = slot.and_then(Slot::block);
        report.allocated = slot.map(Slot::allocated);
        // Damage is found before the block counts as freed, or by the very call that frees it.
        let is_freeing = matches!(fault, Fault::Damaged { .. });
        report.freed = slot.filter(|_| !is_freeing).and_then(Slot::freed);
        report.caller = CallStack::capture();
        let mut call = Call { report, reaction: Reaction::Abort };
        // SAFETY: `call_handler` expects an argument of this type. This thread alone has the right to make a report, so
        // no other call uses the stack.
        unsafe { sys::call(call_handler, (&raw mut call).cast()) };
        call.reaction
    }
}

impl Drop for Reporting {
    fn drop(&mut self) {
        REPORTING.store(0, Release);
    }
}

/// A call of the handler, and its answer.
struct Call<'a> {
    report: &'a Report,
    reaction: Reaction,
}

/// Calls the handler. A panic aborts, because an `extern "C"` function does not unwind.
extern "C" fn call_handler(call: *mut c_void) {
    // SAFETY: `Reporting::report` passes a pointer to a `Call`, which lives until this function returns.
    let call = unsafe { &mut *call.cast::<Call<'_>>() };
    let handler = HANDLER.load(Acquire);
    call.reaction = if handler.is_null() {
        call.report.print();
        Reaction::Abort
    } else {
        // SAFETY: `set_handler` stored the address of a `Handler`.
        let handler = unsafe { mem::transmute::<*mut (), Handler>(handler) };
        handler(call.report)
    };
}
