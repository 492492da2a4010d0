//! Who hears of memory errors.

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

/// Handles a [`Report`], and says how the program goes on. See [`set_handler`].
pub type Handler = fn(&Report) -> Reaction;

/// How a program goes on after a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reaction {
    /// It aborts.
    Abort,
    /// It goes on as well as it can.
    ///
    /// After an access, its page is made accessible, and the access is done, until the block's slot is used again. The
    /// contents of freed blocks are gone, and read as zeros. A call has no effect, and one that resizes fails; but
    /// a block of which bytes beside it were overwritten is freed. After an access whose tag is wrong, the accesses of
    /// the thread are not checked until it allocates again.
    Continue,
}

/// The handler of the program; null until it has set one.
static HANDLER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Sets the handler of all reports in this process. Without one, reports are [printed](Report::print), and the program
/// aborts.
///
/// For accesses, it is called in a signal handler, on the thread that did it: what is in the middle of being changed
/// stays so while it runs. It must not wait for a lock that the program may hold, nor allocate from a heap that the
/// error may have damaged. Nor does the crate itself, which takes no memory for a report. Other threads that make an
/// error meanwhile wait. If the handler panics, the program aborts.
///
/// The handler has a stack of 256 KiB on x86-64 and AArch64. Elsewhere it has that of signal handlers, which may be
/// small.
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

/// What is known about the memory that a report is about.
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

/// The right to make a report, which one thread has at a time.
pub struct Reporting(());

/// The process and the thread that make a report, or zero.
static REPORTING: AtomicU64 = AtomicU64::new(0);

/// The report that is being made. It is too large for the stacks of signal handlers.
struct Scratch(UnsafeCell<Report>);

// SAFETY: Only the thread that has the right to make a report accesses it.
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
    /// Waits until no other thread makes a report. Returns none if this thread is making one.
    pub fn begin() -> Option<Self> {
        let process = u64::from(sys::process()) << 32;
        let me = process | (sys::thread() & u64::from(u32::MAX));
        loop {
            let holder = REPORTING.load(Relaxed);
            if holder == me {
                return None;
            }
            // A thread of the process that has forked is not there.
            let is_free = holder == 0 || holder >> 32 != process >> 32;
            if is_free && REPORTING.compare_exchange(holder, me, Acquire, Relaxed).is_ok() {
                return Some(Self(()));
            }
            sys::pause();
        }
    }

    /// Makes a report, and returns what the handler answers.
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
        // The call that has found the damage frees the block.
        let is_freeing = matches!(fault, Fault::Damaged { .. });
        report.freed = slot.filter(|_| !is_freeing).and_then(Slot::freed);
        report.caller = CallStack::capture();
        let mut call = Call { report, reaction: Reaction::Abort };
        // SAFETY: The argument is of the type that the function expects. Only this thread has the right to make a
        // report, and no handler is called while one runs.
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

/// Calls the handler. Nothing unwinds out of a function with this interface: it aborts.
extern "C" fn call_handler(call: *mut c_void) {
    // SAFETY: `Reporting::report` passes it, and waits for the answer.
    let call = unsafe { &mut *call.cast::<Call<'_>>() };
    let handler = HANDLER.load(Acquire);
    call.reaction = if handler.is_null() {
        call.report.print();
        Reaction::Abort
    } else {
        // SAFETY: `set_handler` has stored it.
        let handler = unsafe { mem::transmute::<*mut (), Handler>(handler) };
        handler(call.report)
    };
}
