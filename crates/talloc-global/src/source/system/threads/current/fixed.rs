//! A thread-local at a fixed offset from the thread pointer, even in shared libraries: the *initial-exec* model
//! (Drepper 2013, ELF Handling for Thread-Local Storage).
//!
//! In a shared library, each access to a thread-local of the standard library calls a function, which takes longer than
//! the rest of an allocation. This thread-local avoids the call. It takes 8 bytes of the thread-local space that the C
//! library reserves for libraries that are loaded late. In an executable, the linker makes the same instructions of
//! both.

use core::arch::{asm, global_asm};

use talloc_sync::threads::{Heaps, Shard};

use super::super::{HEAPS, System};

/// The name of the thread-local. Other versions of this crate may be part of the same program.
macro_rules! name {
    () => {
        concat!("talloc_global_current_", env!("CARGO_PKG_VERSION"))
    };
}

// Its initial value is the shard `nobody`. The name is not exported.
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
    // SAFETY: The instructions read the thread-local, whose type is `*const Shard`.
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
    // SAFETY: The instructions write the thread-local, whose type is `*const Shard`.
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
