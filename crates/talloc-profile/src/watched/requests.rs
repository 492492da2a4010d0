//! Client requests of valgrind: instruction sequences that have no effect on a processor, and that valgrind takes
//! for calls. Sequences and numbers are those of `valgrind.h` and `memcheck.h`, which guarantee them.

use core::ffi::c_void;

const RUNNING_ON_VALGRIND: usize = 0x1001;
const MALLOCLIKE_BLOCK: usize = 0x1301;
const FREELIKE_BLOCK: usize = 0x1302;
const MEMCHECK: usize = (b'M' as usize) << 24 | (b'C' as usize) << 16;
const MAKE_MEM_NOACCESS: usize = MEMCHECK;
const MAKE_MEM_UNDEFINED: usize = MEMCHECK + 1;

/// Whether the program runs under valgrind.
pub fn is_running() -> bool {
    request(RUNNING_ON_VALGRIND, [0; 5]) != 0
}

/// Reports that a block is allocated, with `red_zone` bytes on either side.
pub fn allocated(block: *mut u8, size: usize, red_zone: usize, is_zeroed: bool) {
    request(MALLOCLIKE_BLOCK, [block.expose_provenance(), size, red_zone, is_zeroed.into(), 0]);
}

/// Reports that a block is freed.
pub fn freed(block: *mut u8, red_zone: usize) {
    request(FREELIKE_BLOCK, [block.expose_provenance(), red_zone, 0, 0, 0]);
}

/// Marks bytes as inaccessible.
pub fn forbid(start: *mut u8, len: usize) {
    request(MAKE_MEM_NOACCESS, [start.expose_provenance(), len, 0, 0, 0]);
}

/// Marks bytes as accessible and uninitialised.
pub fn allow(start: *mut u8, len: usize) {
    request(MAKE_MEM_UNDEFINED, [start.expose_provenance(), len, 0, 0, 0]);
}

/// Makes a request; 0 where there is no valgrind.
#[inline]
fn request(number: usize, [a, b, c, d, e]: [usize; 5]) -> usize {
    let words = [number, a, b, c, d, e];
    // SAFETY: The instructions rotate a register by its width in all, and exchange a register with itself, so that
    // the processor's state is as before. Valgrind reads the words, and writes the result to a register.
    unsafe { magic((&raw const words).cast()) }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn magic(words: *const c_void) -> usize {
    let mut result = 0_usize;
    // SAFETY: By the contract of this function.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            inout("rdx") result,
            in("rax") words,
            options(nostack),
        );
    }
    result
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
unsafe fn magic(words: *const c_void) -> usize {
    let mut result = 0_usize;
    // SAFETY: By the contract of this function.
    unsafe {
        core::arch::asm!(
            "ror x12, x12, #3",
            "ror x12, x12, #13",
            "ror x12, x12, #51",
            "ror x12, x12, #61",
            "orr x10, x10, x10",
            inout("x3") result,
            in("x4") words,
            options(nostack),
        );
    }
    result
}
