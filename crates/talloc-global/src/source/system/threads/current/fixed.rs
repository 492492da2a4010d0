//! A thread-local at a fixed distance from the thread's own pointer, in shared libraries, too: the *initial-exec*
//! model (Drepper 2013, ELF Handling for Thread-Local Storage).
//!
//! The standard library's thread-locals are found by a call of a function in a shared library, which takes longer
//! than the rest of an allocation. This one takes 8 bytes of what the C library sets aside for such libraries. In a
//! program, the linker makes the same instructions of both.

use core::arch::{asm, global_asm};

use talloc_sync::threads::{Heaps, Shard};

use super::super::{HEAPS, System};

/// The name of the thread-local. Other versions of this crate may be part of the same program.
macro_rules! name {
    () => {
        concat!("talloc_global_current_", env!("CARGO_PKG_VERSION"))
    };
}

// It is nobody's heap at first. The name is not exported.
global_asm!(
    concat!(".pushsection .tdata.", name!(), ",\"awT\",@progbits"),
    ".p2align 3",
    concat!(".globl \"", name!(), "\""),
    concat!(".hidden \"", name!(), "\""),
    concat!(".type \"", name!(), "\", @object"),
    concat!(".size \"", name!(), "\", 8"),
    concat!("\"", name!(), "\":"),
    ".quad {heaps} + {nobody}",
    ".popsection",
    heaps = sym HEAPS,
    nobody = const Heaps::<System>::NOBODY,
);

#[inline(always)]
pub(in super::super) fn get() -> *const Shard<System> {
    let shard: *const Shard<System>;
    // SAFETY: It reads the thread-local, which has the type `*const Shard`.
    unsafe {
        asm!(
            concat!("mov {shard}, qword ptr [rip + \"", name!(), "\"@GOTTPOFF]"),
            "mov {shard}, qword ptr fs:[{shard}]",
            shard = out(reg) shard,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    shard
}

#[inline(always)]
pub(in super::super) fn set(shard: *const Shard<System>) {
    // SAFETY: It writes the thread-local, which has the type `*const Shard`.
    unsafe {
        asm!(
            concat!("mov {place}, qword ptr [rip + \"", name!(), "\"@GOTTPOFF]"),
            "mov qword ptr fs:[{place}], {shard}",
            place = out(reg) _,
            shard = in(reg) shard,
            options(nostack, preserves_flags),
        );
    }
}
