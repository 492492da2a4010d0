//! The tags of blocks.

use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
    fence,
};

use super::extent::{Extent, GRANULE, PAGE};
use crate::report::Fault;
use crate::sys::tags;
use crate::tags::Tags;

/// The tags that a block at the start of a page must not have. Such a block must differ from a block at the end of the
/// previous page, whose tag cannot be read, because that page may not be memory.
const ODD: u16 = 0xaaaa;

/// The tags that a block at the end of a page must not have.
const EVEN: u16 = 0x5555;

/// Whether the system has ever refused to tag memory. Only then may there be blocks without a tag.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// The set of a single tag.
pub fn only(tag: u8) -> u16 {
    1 << tag
}

/// Gives a new block a random tag. The tag is not 0, is not in the set `avoided`, and differs from the tags of adjacent
/// memory. Returns the pointer with the tag, or `block` if the system does not tag the memory.
///
/// # Safety
///
/// The block is valid memory of that extent with the tag 0, and nobody else uses it.
pub unsafe fn tag(block: NonNull<u8>, extent: Extent, avoided: u16) -> *mut u8 {
    let addr = block.addr().get();
    let mut is_enabled = false;
    loop {
        // SAFETY: The block is valid memory, and only this function has a pointer to it.
        unsafe {
            let tagged = tags::with_random(block.as_ptr(), avoided | taken(addr, extent));
            let tag = tags::of_pointer(tagged.addr());
            tags::set(addr, extent.tagged, tag);
            if !has_tag(addr, extent.tagged, tag) {
                if is_enabled || !tags::enable(block, extent.tagged) {
                    tags::set(addr, extent.tagged, 0);
                    IS_REFUSED.store(true, Relaxed);
                    return block.as_ptr();
                }
                is_enabled = true;
                continue;
            }
            // Of two threads that tag adjacent blocks, at least one sees the tag of the other.
            fence(SeqCst);
            if taken(addr, extent) & only(tag) == 0 {
                return tagged;
            }
        }
    }
}

/// Sets the tag of a block.
///
/// # Safety
///
/// The block is valid memory of that extent, and nobody accesses it by pointers with another tag.
pub unsafe fn set(block: *mut u8, extent: Extent, tag: u8) {
    // SAFETY: By the contract of this function.
    unsafe { tags::set(tags::address(block.addr()), extent.tagged, tag) }
}

/// Checks that a pointer is to a block of that extent, judged by tags.
///
/// # Safety
///
/// There is memory at the pointer, in the whole extent.
pub unsafe fn check(ptr: *mut u8, extent: Extent) -> Result<(), (Fault, Tags)> {
    let (addr, pointer) = (tags::address(ptr.addr()), tags::of_pointer(ptr.addr()));
    // SAFETY: By the contract of this function.
    let memory = unsafe { tags::of_memory(addr) };
    // SAFETY: The address is in the extent, or on a page with a byte of the extent, so there is memory.
    let is_pointers = |addr| unsafe { tags::of_memory(addr) } == pointer;
    let end = addr + extent.tagged;
    let fault = if addr % GRANULE != 0 {
        Fault::NotABlock
    } else if pointer == 0 {
        if memory == 0 && IS_REFUSED.load(Relaxed) {
            return Ok(());
        }
        Fault::Foreign
    } else if memory == 0 {
        Fault::AlreadyFree
    } else if memory != pointer {
        Fault::Foreign
    } else if addr % PAGE != 0 && is_pointers(addr - GRANULE) {
        Fault::NotABlock
    } else if !is_pointers(end - GRANULE) || (is_known_behind(end, extent) && is_pointers(end)) {
        Fault::WrongSize
    } else {
        return Ok(());
    };
    Err((fault, Tags { pointer, memory }))
}

/// Returns the tags that a block must not have because of adjacent memory.
///
/// # Safety
///
/// There is memory at the address, in the whole extent.
unsafe fn taken(addr: usize, extent: Extent) -> u16 {
    // SAFETY: The address is on the same page as a byte of the block, so there is memory.
    let beside = |addr| only(unsafe { tags::of_memory(addr) });
    let end = addr + extent.tagged;
    let before = if addr % PAGE == 0 { ODD } else { beside(addr - GRANULE) };
    let behind = if is_known_behind(end, extent) { beside(end) } else { EVEN };
    only(0) | before | behind
}

/// Whether the granule behind a block is certainly memory: part of the extent, or on the same page.
fn is_known_behind(end: usize, extent: Extent) -> bool {
    end % PAGE != 0 || extent.has_guard()
}

/// Whether a block's memory has a tag. It checks one granule on each page, because the system tags whole pages or nothing.
///
/// # Safety
///
/// There are `len` bytes of memory at the address.
unsafe fn has_tag(addr: usize, len: usize, tag: u8) -> bool {
    let pages = (addr..addr + len).step_by(PAGE);
    let mut ends = pages.chain([addr + len - GRANULE]);
    // SAFETY: All these addresses lie in the block.
    ends.all(|addr| unsafe { tags::of_memory(addr) } == tag)
}
