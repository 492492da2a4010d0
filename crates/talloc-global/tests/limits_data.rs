//! A process whose data may not grow by as much as a large heap would like to grow by.
//!
//! Alone in its file, as the limit is one for the whole process.
#![cfg(all(feature = "system", feature = "std", target_os = "linux", target_pointer_width = "64"))]

use std::alloc::{GlobalAlloc, Layout};
use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use talloc_global::source::SystemSource;
use talloc_global::*;

const KIB: usize = 1 << 10;
const BLOCK: Layout = Layout::new::<[u8; 32 * KIB]>();

/// The bytes of the process that count as data: private memory that can be written.
fn data_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * KIB
}

fn limit(bytes: Option<usize>) {
    let current = bytes.map(|bytes| bytes as u64);
    let maximum = getrlimit(Resource::Data).maximum;
    setrlimit(Resource::Data, Rlimit { current, maximum }).unwrap();
    assert_eq!(getrlimit(Resource::Data).current, current, "the limit is not in force");
}

/// Allocates 32 MiB, by which the heap becomes large, and then blocks until none is left. Returns how many bytes the
/// limit leaves then.
fn left(mut has_block: impl FnMut() -> bool) -> usize {
    for _ in 0..1024 {
        assert!(has_block());
    }
    // Less than a huge page.
    let most = data_bytes() + (2 << 20) - 64 * KIB;
    limit(Some(most));
    while has_block() {}
    let bytes = data_bytes();
    limit(None);
    most - bytes
}

#[test]
fn a_large_heap_gets_the_last_pages_that_the_limit_leaves() {
    let mut heap = Talloc::<Compact, _>::with_source(SystemSource::new());
    // SAFETY: The size is not zero.
    let bytes = left(|| unsafe { heap.malloc(BLOCK) }.is_ok());
    // It asks for a 32nd of the arena more than the block, for the bitmap.
    assert!(bytes < 1200 * KIB, "{bytes}");
    heap.verify().unwrap();

    let heap = SystemTalloc::new();
    // SAFETY: The size is not zero.
    let bytes = left(|| !unsafe { heap.alloc(BLOCK) }.is_null());
    assert!(bytes < 256 * KIB, "{bytes}");
    heap.verify().unwrap();
}
