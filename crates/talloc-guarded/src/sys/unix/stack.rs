//! A stack for reports, because the stacks of signal handlers are small.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use std::cell::UnsafeCell;
use std::ffi::c_void;

/// Whether [`call`] has a stack of its own on this machine.
pub const IS_LARGE: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

/// The size of the stack. It suffices for the names of functions, and for the message of a panicking handler.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const SIZE: usize = 256 << 10;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[repr(align(16))]
struct Stack(UnsafeCell<[u8; SIZE]>);

// SAFETY: Only one thread at a time uses the stack, by the contract of `call`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe impl Sync for Stack {}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static STACK: Stack = Stack(UnsafeCell::new([0; SIZE]));

/// The symbol of the function that switches stacks. Apple's symbols start with an underscore.
#[cfg(target_vendor = "apple")]
macro_rules! symbol {
    () => {
        "_talloc_guarded_call_on"
    };
}

/// The symbol of the function that switches stacks.
#[cfg(not(target_vendor = "apple"))]
macro_rules! symbol {
    () => {
        "talloc_guarded_call_on"
    };
}

// The directives describe the frame by its frame pointer, which points into the old stack, so that unwinders find the
// callers there. Registers have DWARF numbers: 6 is `rbp`, and 7 is `rsp`.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".p2align 4",
    concat!(".globl ", symbol!()),
    concat!(symbol!(), ":"),
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset 6, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register 6",
    "mov rsp, rdx",
    "mov rax, rdi",
    "mov rdi, rsi",
    "call rax",
    "mov rsp, rbp",
    "pop rbp",
    ".cfi_def_cfa 7, 8",
    "ret",
    ".cfi_endproc",
);

// As for x86-64. Registers 29 and 30 are the frame pointer and the link register, and 31 is the stack pointer.
#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".p2align 2",
    concat!(".globl ", symbol!()),
    concat!(symbol!(), ":"),
    ".cfi_startproc",
    "stp x29, x30, [sp, #-16]!",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset 29, -16",
    ".cfi_offset 30, -8",
    "mov x29, sp",
    ".cfi_def_cfa_register 29",
    "mov sp, x2",
    "mov x9, x0",
    "mov x0, x1",
    "blr x9",
    "mov sp, x29",
    "ldp x29, x30, [sp], #16",
    ".cfi_def_cfa 31, 0",
    ".cfi_restore 29",
    ".cfi_restore 30",
    "ret",
    ".cfi_endproc",
);

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe extern "C" {
    /// Calls a function with an argument on the stack that ends at `top`.
    fn talloc_guarded_call_on(
        function: extern "C" fn(*mut c_void),
        argument: *mut c_void,
        top: *mut u8,
    );
}

/// Calls a function on the stack for reports.
///
/// # Safety
///
/// The function may be called with the argument. Until it returns, no thread calls this again, nor does the function.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub unsafe fn call(function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    let top = STACK.0.get().cast::<u8>().wrapping_add(SIZE);
    // SAFETY: Nobody else uses the stack, by the contract of this function, and its end is aligned. An `extern "C"`
    // function does not unwind.
    unsafe { talloc_guarded_call_on(function, argument, top) }
}

/// Calls a function on the caller's stack.
///
/// # Safety
///
/// None here; implementations for other machines have requirements.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub unsafe fn call(function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    function(argument);
}
