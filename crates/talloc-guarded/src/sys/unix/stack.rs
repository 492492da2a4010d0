//! A stack for reports, as those of signal handlers are small.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use std::cell::UnsafeCell;
use std::ffi::c_void;

/// Whether [`call`] has a stack of its own on this machine.
pub const IS_LARGE: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

/// Enough for the names of functions, and for the message of a handler that panics.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const SIZE: usize = 256 << 10;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[repr(align(16))]
struct Stack(UnsafeCell<[u8; SIZE]>);

// SAFETY: Whoever calls `call` is the only one to do so.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe impl Sync for Stack {}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static STACK: Stack = Stack(UnsafeCell::new([0; SIZE]));

/// Calls a function on a stack of its own.
///
/// # Safety
///
/// The function may be called with the argument. No other thread calls this meanwhile, nor does the function.
#[cfg(target_arch = "x86_64")]
pub unsafe fn call(function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    let top = STACK.0.get().cast::<u8>().wrapping_add(SIZE);
    // SAFETY: The stack is nobody else's, and its end is aligned. The register that keeps the old one is preserved by
    // functions with this interface, out of which nothing unwinds.
    unsafe {
        std::arch::asm!(
            "xchg rsp, r12",
            "call {function}",
            "mov rsp, r12",
            function = in(reg) function,
            inout("r12") top => _,
            in("rdi") argument,
            clobber_abi("C"),
        );
    }
}

/// Calls a function on a stack of its own.
///
/// # Safety
///
/// The function may be called with the argument. No other thread calls this meanwhile, nor does the function.
#[cfg(target_arch = "aarch64")]
pub unsafe fn call(function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    let top = STACK.0.get().cast::<u8>().wrapping_add(SIZE);
    // SAFETY: The stack is nobody else's, and its end is aligned. The register that keeps the old one is preserved by
    // functions with this interface, out of which nothing unwinds.
    unsafe {
        std::arch::asm!(
            "mov x20, sp",
            "mov sp, {top}",
            "blr {function}",
            "mov sp, x20",
            function = in(reg) function,
            top = in(reg) top,
            in("x0") argument,
            out("x20") _,
            clobber_abi("C"),
        );
    }
}

/// Calls a function on this stack.
///
/// # Safety
///
/// None; on other machines, there are some.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub unsafe fn call(function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    function(argument);
}
