//! A process with a limit on data, smaller than the step in which a large heap prefers to grow.
//!
//! This is the only test of its process, because the limit applies to the whole process.
#![cfg(all(feature = "system", feature = "std", target_os = "linux", target_pointer_width = "64"))]

use std::alloc::{GlobalAlloc, Layout};
use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use talloc_global::source::SystemSource;
use talloc_global::*;

const KIB: usize = 1 << 10;
const BLOCK: Layout = Layout::new::<[u8; 32 * KIB]>();

/// Returns the size of the process's data in bytes: private writable memory.
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

/// Allocates 32 MiB, which makes the heap large, and then blocks until a request fails. Returns how many bytes the
/// limit leaves.
fn left(mut has_block: impl FnMut() -> bool) -> usize {
    for _ in 0..1024 {
        assert!(has_block());
    }
    // This is less than a huge page.
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
    // SAFETY: `malloc` has no preconditions.
    let bytes = left(|| unsafe { heap.malloc(BLOCK) }.is_ok());
    // The heap requests a 32nd of the arena more than the block, for the bitmap.
    assert!(bytes < 1200 * KIB, "{bytes}");
    heap.verify().unwrap();

    let heap = SystemTalloc::new();
    // SAFETY: The size is not zero.
    let bytes = left(|| !unsafe { heap.alloc(BLOCK) }.is_null());
    assert!(bytes < 256 * KIB, "{bytes}");
    heap.verify().unwrap();
}
