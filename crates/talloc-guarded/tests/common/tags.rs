//! Tagged blocks, and the tags of memory.

use std::alloc::{GlobalAlloc, Layout};
use std::arch::asm;

use talloc_guarded::{Action, Fault, Tagged, Tags, has_memory_tags};

use super::arena::Arena;
use super::{note_reports, report, reports, succeeds};

pub const GRANULE: usize = 16;
pub const PAGE: usize = 4096;

pub fn tag_of(ptr: *const u8) -> u8 {
    (ptr.addr() >> 56) as u8 & 0xf
}

pub fn address(ptr: *const u8) -> usize {
    ptr.addr() & ((1 << 56) - 1)
}

pub fn memory_tag(addr: usize) -> u8 {
    let mut tag = 0_usize;
    // SAFETY: The address is in the memory of a test, and its tag is readable.
    unsafe {
        asm!(
            ".arch_extension memtag",
            "ldg {tag}, [{addr}]",
            tag = inout(reg) tag,
            addr = in(reg) addr,
        );
    }
    (tag >> 56) as u8
}

/// Returns whether all of a block has the tag of its pointer.
pub fn is_tagged(block: *const u8, size: usize) -> bool {
    let mut addrs = (address(block)..address(block) + size).step_by(GRANULE);
    tag_of(block) != 0 && addrs.all(|addr| memory_tag(addr) == tag_of(block))
}

pub fn is_free(addr: usize, size: usize) -> bool {
    (addr..addr + size).step_by(GRANULE).all(|addr| memory_tag(addr) == 0)
}

/// Runs a test in a child process with recorded reports and adjacent blocks.
pub fn with_arena(name: &str, test: impl FnOnce(&Tagged<Arena>)) {
    if has_memory_tags() {
        succeeds(name, || {
            note_reports();
            test(&Tagged::new(Arena::new()));
            assert!(reports().is_empty());
        });
    }
}

pub fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

pub fn alloc<A: GlobalAlloc>(allocator: &Tagged<A>, size: usize) -> *mut u8 {
    // SAFETY: The size is not zero.
    let block = unsafe { allocator.alloc(layout(size)) };
    assert!(is_tagged(block, size), "{block:?}");
    block
}

/// Frees an address that may not be a block.
pub fn free<A: GlobalAlloc>(allocator: &Tagged<A>, ptr: *mut u8, size: usize) {
    // SAFETY: If this is misuse, the allocator reports the call and does nothing.
    unsafe { allocator.dealloc(ptr, layout(size)) }
}

/// Reallocates an address that may not be a block.
pub fn resize<A: GlobalAlloc>(
    allocator: &Tagged<A>,
    ptr: *mut u8,
    size: usize,
    new: usize,
) -> *mut u8 {
    // SAFETY: If this is misuse, the allocator reports the call and does nothing.
    unsafe { allocator.realloc(ptr, layout(size), new) }
}

/// Reads and writes a byte. Returns the fault, which must be reported the same for both.
#[track_caller]
pub fn fault<A: GlobalAlloc>(allocator: &Tagged<A>, at: *mut u8) -> (Fault, Tags) {
    let mut found = vec![];
    for is_read in [true, false] {
        // After a report, the thread is not checked until it allocates again. This allocation must have no other
        // effect.
        free(allocator, alloc(allocator, 1), 1);
        // SAFETY: This is the error to be detected. The address is mapped.
        unsafe {
            let value = at.read_volatile();
            if !is_read {
                reports();
                free(allocator, alloc(allocator, 1), 1);
                at.write_volatile(value);
            }
        }
        let report = report();
        assert_eq!(report.addr, address(at));
        assert_eq!(report.action, Action::Access);
        found.push((report.fault, report.tags.unwrap()));
    }
    assert_eq!(found[0], found[1]);
    found[0]
}
