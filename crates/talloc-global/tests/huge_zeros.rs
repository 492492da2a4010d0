//! Zeroed blocks cost nothing until they are used.
//!
//! This is the only test of its process, because resident memory is measured for the whole process.
#![cfg(all(feature = "system", feature = "std", target_os = "linux", target_pointer_width = "64"))]

use std::alloc::{GlobalAlloc, Layout};
use std::fs;

use talloc_global::config::Checked;
use talloc_global::*;

const MIB: usize = 1 << 20;

fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}

/// The number of bytes of each block that are written before it is freed.
const USED: usize = 31 * MIB;

/// Allocates a zeroed block. Returns by how much the resident memory grows.
fn zeros(heap: &impl GlobalAlloc, size: usize) -> usize {
    let layout = Layout::from_size_align(size, 8).unwrap();
    let before = resident();
    // SAFETY: The size is not zero, and the block is used with its layout.
    unsafe {
        let block = heap.alloc_zeroed(layout);
        assert!(!block.is_null());
        let more = resident().saturating_sub(before);
        let content = std::slice::from_raw_parts(block, USED);
        assert!(content.iter().all(|byte| *byte == 0));
        block.write_bytes(1, USED);
        heap.dealloc(block, layout);
        more
    }
}

#[test]
fn blocks_of_zeros_are_not_cleared() {
    static CACHED: SystemTalloc = SystemTalloc::new();
    static LOCKED: SystemTallock = SystemTallock::new();
    static CHECKED: SystemTallock<Checked> = SystemTallock::with_config();
    for round in 0..3 {
        // These are mapped blocks, and blocks of the arenas, each above all others. A checked heap has no mapped
        // blocks, and clears the bits of its blocks, which take a 32nd.
        let more = [
            zeros(&CACHED, 1024 * MIB),
            zeros(&LOCKED, 1024 * MIB),
            zeros(&CACHED, 31 * MIB),
            zeros(&LOCKED, 31 * MIB),
            zeros(&CHECKED, 31 * MIB),
        ];
        assert!(more.iter().all(|more| *more < 2 * MIB), "{more:?} bytes in round {round}");
        // Purged memory is zero again.
        CACHED.trim();
        LOCKED.trim();
        CHECKED.trim();
    }
    assert!(CACHED.verify().is_ok() && LOCKED.verify().is_ok() && CHECKED.verify().is_ok());
}
