//! The signals for faults.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::report::Action;
use crate::sys::{Cause, tags};

/// The signals for faults: systems send one or the other.
const SIGNALS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// `SA_EXPOSE_TAGBITS`: the address of a fault includes the pointer's tag.
const EXPOSE_TAGS: c_int = if tags::ARE_KNOWN { 0x800 } else { 0 };

/// A function that handles a fault at an address, and returns whether the access may be tried again.
type Handle = fn(usize, Action) -> bool;

/// The function for each cause.
static HANDLES: [OnceLock<Handle>; 2] = [const { OnceLock::new() }; 2];

/// Whether the handlers of signals have been installed.
static IS_INSTALLED: AtomicBool = AtomicBool::new(false);

/// The previous actions for the signals, which handle other faults.
static PREVIOUS: [OnceLock<libc::sigaction>; 2] = [const { OnceLock::new() }; 2];

/// Whether the program has a handler for faults.
pub fn has_handler() -> bool {
    handler_of(libc::SIGSEGV).sa_sigaction != libc::SIG_DFL
}

/// Returns the current action for a signal.
fn handler_of(signal: c_int) -> libc::sigaction {
    let mut handler = MaybeUninit::zeroed();
    // SAFETY: The structure is valid. If the call fails, it stays zero, which is the default action.
    unsafe {
        libc::sigaction(signal, ptr::null(), handler.as_mut_ptr());
        handler.assume_init()
    }
}

/// Calls `handle` for each fault with this cause from now on.
///
/// The first call installs the signal handlers. If the program later replaces them, its handlers should call them for
/// other faults.
pub fn watch(cause: Cause, handle: Handle) {
    // A cause has only one function: the first counts.
    let _ = HANDLES[cause as usize].set(handle);
    if IS_INSTALLED.swap(true, Relaxed) {
        return;
    }
    for (signal, previous) in SIGNALS.into_iter().zip(&PREVIOUS) {
        let mut new = *previous.get_or_init(|| handler_of(signal));
        new.sa_sigaction = on_signal as *const () as usize;
        // Use the alternate stack: the previous handler may report a stack overflow.
        new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | EXPOSE_TAGS;
        // SAFETY: The structure is valid, and the handler may run at any time.
        unsafe { libc::sigaction(signal, &raw const new, ptr::null_mut()) };
    }
}

unsafe extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let error = errno::errno();
    // SAFETY: The system passes valid structures.
    let (code, addr) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    let handle = HANDLES[cause(signal, code) as usize].get().filter(|_| code > 0);
    // SAFETY: The system passes the context of this signal.
    let is_handled = handle.is_some_and(|handle| handle(addr, unsafe { action(context) }));
    errno::set_errno(error);
    if !is_handled {
        // SAFETY: The system passed these arguments for this signal.
        unsafe { pass_on(signal, info, context) };
    }
}

/// Returns the cause of a signal with this code.
fn cause(signal: c_int, code: c_int) -> Cause {
    /// `SEGV_MTESERR`: the tags of a pointer and of the memory differ.
    const TAGS_DIFFER: c_int = 9;
    if tags::ARE_KNOWN && (signal, code) == (libc::SIGSEGV, TAGS_DIFFER) {
        Cause::Tag
    } else {
        Cause::Page
    }
}

/// Handles a signal by its previous action.
///
/// # Safety
///
/// The system passed the arguments to a signal handler.
unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let number = SIGNALS.iter().position(|own| *own == signal).unwrap_or(0);
    let previous = PREVIOUS[number].get().copied();
    let handler = previous.map_or(libc::SIG_DFL, |previous| previous.sa_sigaction);
    let takes_info = previous.is_some_and(|previous| previous.sa_flags & libc::SA_SIGINFO != 0);
    // SAFETY: The arguments are valid, and the flags determine the type of the previous handler.
    unsafe {
        let is_fault = (*info).si_code > 0;
        if handler == libc::SIG_DFL || (handler == libc::SIG_IGN && is_fault) {
            die_of(signal, is_fault);
        } else if handler == libc::SIG_IGN {
            // Ignore a signal that a process has sent.
        } else if takes_info {
            type Handler = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
            let handler = ptr::with_exposed_provenance::<()>(handler);
            std::mem::transmute::<*const (), Handler>(handler)(signal, info, context);
        } else {
            let handler = ptr::with_exposed_provenance::<()>(handler);
            std::mem::transmute::<*const (), unsafe extern "C" fn(c_int)>(handler)(signal);
        }
    }
}

/// Makes the signal end the process when this handler returns. A faulting access is then repeated, and faults again; any
/// other signal is raised again.
fn die_of(signal: c_int, is_fault: bool) {
    // SAFETY: A structure of zeros is valid, and means the default action.
    unsafe {
        let usual = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        libc::sigaction(signal, &raw const usual, ptr::null_mut());
        if !is_fault {
            libc::raise(signal);
        }
    }
}

/// Whether the access was a read or a write.
///
/// # Safety
///
/// The context is that of a signal.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "x86")))]
unsafe fn action(context: *mut c_void) -> Action {
    /// The bit of the processor's error code for writes.
    const IS_WRITE: u64 = 1 << 1;
    // SAFETY: The context is that of a signal, by the contract of this function.
    let registers = unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let error = registers[libc::REG_ERR as usize] as u64;
    if error & IS_WRITE == 0 { Action::Read } else { Action::Write }
}

/// Returns `Action::Access`: this system does not report whether an access was a read or a write.
///
/// # Safety
///
/// None here; implementations for other systems have requirements.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "x86"))))]
unsafe fn action(_: *mut c_void) -> Action {
    Action::Access
}
