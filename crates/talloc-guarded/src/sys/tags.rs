//! Tags of memory: MTE of AArch64, on Linux.
//!
//! Bits 56 to 59 of a pointer are its tag. If the system tags a page, each granule of 16 bytes on it also has a tag. The
//! processor compares the tags at each access of a thread that has enabled this.
//!
//! Unless stated otherwise, addresses have no tag.

use std::arch::asm;
use std::ptr::NonNull;

use rustix::mm::{self, MprotectFlags};
use rustix::thread::{
    TaggedAddressMode, current_tagged_address_mode, set_current_tagged_address_mode,
};

/// Whether a processor may support tags.
pub const ARE_KNOWN: bool = true;

/// The bytes that share a tag.
const GRANULE: usize = 16;

/// The bits of a pointer that are an address.
const ADDRESS: usize = (1 << 56) - 1;

/// All tags but 0, one bit for each.
const NONZERO: u32 = 0xfffe;

/// The modes of comparing tags: synchronous and asynchronous.
const MODES: TaggedAddressMode = TaggedAddressMode::TCF_SYNC.union(TaggedAddressMode::TCF_ASYNC);

/// Returns the address of a pointer, without its tag.
pub fn address(addr: usize) -> usize {
    addr & ADDRESS
}

/// Returns the tag of a pointer.
pub fn of_pointer(addr: usize) -> u8 {
    (addr >> 56) as u8 & 0xf
}

/// Whether the processor and the system support tags.
pub fn exist() -> bool {
    const HWCAP2_MTE: u64 = 1 << 18;
    // `rustix` could not be used: on Linux before 6.4, it allocates.
    // SAFETY: `getauxval` has no preconditions.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & HWCAP2_MTE != 0 }
}

/// Whether tags are compared at each access of this thread.
pub fn are_compared() -> bool {
    let mode = current_tagged_address_mode().ok().and_then(|(mode, _)| mode);
    mode.is_some_and(|mode| mode.intersects(MODES))
}

/// Sets whether tags are compared at each access of this thread, and of threads that it starts from now on. Returns
/// whether that succeeded.
///
/// If it succeeded, this thread can pass tagged pointers to the system, whether or not tags are compared.
pub fn compare(is_wanted: bool) -> bool {
    let Ok((mode, tags)) = current_tagged_address_mode() else { return false };
    let mode = mode.unwrap_or(TaggedAddressMode::empty()) | TaggedAddressMode::ENABLED;
    let mode = if is_wanted { mode | TaggedAddressMode::TCF_SYNC } else { mode - MODES };
    // SAFETY: The call changes no memory. From now on, only accesses outside of a pointer's allocation fault.
    unsafe { set_current_tagged_address_mode(Some(mode), tags | NONZERO) }.is_ok()
}

/// Makes the system tag the pages of a range. Pages without tags get the tag 0. Returns whether that succeeded.
///
/// # Safety
///
/// The range is valid for reads and writes.
pub unsafe fn enable(start: NonNull<u8>, len: usize) -> bool {
    let page = super::page_size();
    let lead = start.addr().get() % page;
    let pages = start.as_ptr().wrapping_sub(lead).cast();
    let access = MprotectFlags::READ | MprotectFlags::WRITE | MprotectFlags::MTE;
    // SAFETY: The pages already are readable and writable, so the call changes only the tagging.
    unsafe { mm::mprotect(pages, (lead + len).next_multiple_of(page), access) }.is_ok()
}

/// Returns the pointer with a random tag. Each tag with a bit in `excluded` is excluded; the tag is 0 if all are.
///
/// To the compiler, the result points to a new allocation, like the pointer to a new block.
pub fn with_random(ptr: *mut u8, excluded: u16) -> *mut u8 {
    let tagged;
    // SAFETY: `exist` has found that the processor has this instruction, which accesses no memory.
    unsafe {
        asm!(
            ".arch_extension memtag",
            "irg {tagged}, {ptr}, {excluded}",
            tagged = lateout(reg) tagged,
            ptr = in(reg) ptr,
            excluded = in(reg) u64::from(excluded),
            options(nostack, preserves_flags),
        );
    }
    tagged
}

/// Returns the pointer that was passed to [`with_random`].
pub fn without(tagged: *mut u8) -> *mut u8 {
    let ptr;
    // SAFETY: The instruction accesses no memory.
    unsafe {
        asm!(
            "and {ptr}, {tagged}, #0xffffffffffffff",
            ptr = lateout(reg) ptr,
            tagged = in(reg) tagged,
            options(nostack, preserves_flags),
        );
    }
    ptr
}

/// Returns the tag of the memory at an address; 0 if the system does not tag it.
///
/// # Safety
///
/// There is memory at the address.
pub unsafe fn of_memory(addr: usize) -> u8 {
    let mut tag = 0_usize;
    // SAFETY: There is memory, by the contract of this function. The instruction reads the tag, and not the contents.
    unsafe {
        asm!(
            ".arch_extension memtag",
            "ldg {tag}, [{addr}]",
            tag = inout(reg) tag,
            addr = in(reg) addr,
            options(nostack, preserves_flags, readonly),
        );
    }
    of_pointer(tag)
}

/// Sets the tag of memory, where the system tags it.
///
/// # Safety
///
/// There are `len` bytes of memory at the address, in whole granules. All later accesses are by pointers with this tag.
pub unsafe fn set(addr: usize, len: usize, tag: u8) {
    let mut at = addr | usize::from(tag) << 56;
    let end = at + len;
    // SAFETY: There is memory, and later accesses are by pointers with this tag, by the contract of this function. The
    // contents do not change.
    unsafe {
        while end - at >= 2 * GRANULE {
            asm!(
                ".arch_extension memtag",
                "st2g {at}, [{at}], #32",
                at = inout(reg) at,
                options(nostack, preserves_flags),
            );
        }
        if at < end {
            asm!(
                ".arch_extension memtag",
                "stg {at}, [{at}]",
                at = in(reg) at,
                options(nostack, preserves_flags),
            );
        }
    }
}
