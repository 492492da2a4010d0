//! Tags of memory: MTE of AArch64, on Linux.
//!
//! Bits 56 to 59 of a pointer are its tag. Each [`GRANULE`] of memory that the system tags has a tag, too. The processor
//! compares them at each access of a thread that asks for that.
//!
//! Addresses of memory are passed without a tag, except where it says so.

use std::arch::asm;
use std::ptr::NonNull;

use rustix::mm::{self, MprotectFlags};
use rustix::thread::{
    TaggedAddressMode, current_tagged_address_mode, set_current_tagged_address_mode,
};

/// Whether a processor may have tags.
pub const ARE_KNOWN: bool = true;

/// The bytes that have a tag together.
const GRANULE: usize = 16;

/// The bits of a pointer that are an address.
const ADDRESS: usize = (1 << 56) - 1;

/// All tags but 0, one bit for each.
const NONZERO: u32 = 0xfffe;

/// The ways to compare tags, at once and later.
const MODES: TaggedAddressMode = TaggedAddressMode::TCF_SYNC.union(TaggedAddressMode::TCF_ASYNC);

/// The address of a pointer, without its tag.
pub fn address(addr: usize) -> usize {
    addr & ADDRESS
}

/// The tag of a pointer.
pub fn of_pointer(addr: usize) -> u8 {
    (addr >> 56) as u8 & 0xf
}

/// Whether the processor and the system have tags.
pub fn exist() -> bool {
    const HWCAP2_MTE: u64 = 1 << 18;
    // Not by `rustix`, which allocates for the answer where Linux is older than 6.4.
    // SAFETY: It has no conditions.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & HWCAP2_MTE != 0 }
}

/// Whether tags are compared at each access of this thread.
pub fn are_compared() -> bool {
    let mode = current_tagged_address_mode().ok().and_then(|(mode, _)| mode);
    mode.is_some_and(|mode| mode.intersects(MODES))
}

/// Sets whether tags are compared at each access of this thread, and of those that it starts from now on. Returns
/// whether that is done.
///
/// In either case, pointers with tags can be passed to the system.
pub fn compare(is_wanted: bool) -> bool {
    let Ok((mode, tags)) = current_tagged_address_mode() else { return false };
    let mode = mode.unwrap_or(TaggedAddressMode::empty()) | TaggedAddressMode::ENABLED;
    let mode = if is_wanted { mode | TaggedAddressMode::TCF_SYNC } else { mode - MODES };
    // SAFETY: No memory changes. Accesses that differ are those of other memory than the pointer is for.
    unsafe { set_current_tagged_address_mode(Some(mode), tags | NONZERO) }.is_ok()
}

/// Lets the system tag the pages that memory lies on, all with 0 at first if they have no tags yet. Returns whether it
/// does.
///
/// # Safety
///
/// There are so many bytes of memory to read and write.
pub unsafe fn enable(start: NonNull<u8>, len: usize) -> bool {
    let page = super::page_size();
    let lead = start.addr().get() % page;
    let pages = start.as_ptr().wrapping_sub(lead).cast();
    let access = MprotectFlags::READ | MprotectFlags::WRITE | MprotectFlags::MTE;
    // SAFETY: The pages have this access already.
    unsafe { mm::mprotect(pages, (lead + len).next_multiple_of(page), access) }.is_ok()
}

/// The pointer with a tag at random that is not among those excluded, of which each has a bit; 0 if all are.
///
/// To the compiler, it is a pointer to memory of its own, as that of a new block is.
pub fn with_random(ptr: *mut u8, excluded: u16) -> *mut u8 {
    let tagged;
    // SAFETY: The processor has the instruction, as `exist` says. It accesses no memory.
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

/// The pointer that [`with_random`] was passed.
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

/// The tag of the memory at an address; 0 if the system does not tag it.
///
/// # Safety
///
/// There is memory at the address.
pub unsafe fn of_memory(addr: usize) -> u8 {
    let mut tag = 0_usize;
    // SAFETY: There is memory, whose tag may be read at any time. The contents are not.
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

/// Gives memory a tag, as far as the system tags it.
///
/// # Safety
///
/// There are `len` bytes of memory at the address, in whole granules. Whoever accesses them has pointers with this tag.
pub unsafe fn set(addr: usize, len: usize, tag: u8) {
    let mut at = addr | usize::from(tag) << 56;
    let end = at + len;
    // SAFETY: There is so much memory, and whoever accesses it expects the tag. The contents do not change.
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
