//! A process with a limit on addresses, smaller than what the source prefers to reserve.
//!
//! This is the only test of its process, because the limit applies to the whole process.
#![cfg(all(feature = "system", target_os = "linux"))]

use std::alloc::Layout;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use talloc_global::source::SystemSource;
use talloc_global::*;

const MIB: usize = 1 << 20;
const LIMIT: usize = 1 << 30;
const BLOCK: Layout = Layout::new::<[u8; MIB]>();

#[test]
fn a_limit_leaves_room_for_others_and_is_met_in_the_end() {
    let limit = Some(LIMIT as u64);
    setrlimit(Resource::As, Rlimit { current: limit, maximum: limit }).unwrap();
    // User-mode emulators ignore the limit, and the test would use all memory.
    assert_eq!(getrlimit(Resource::As).current, limit, "the limit is not in force");
    let mut heap = Talloc::<Compact, _>::with_source(SystemSource::new());

    // SAFETY: `malloc` has no preconditions.
    let first = unsafe { heap.malloc(BLOCK) }.unwrap();
    // The rest of the program uses another allocator.
    assert!(Vec::<u8>::new().try_reserve_exact(LIMIT / 4).is_ok());

    // SAFETY: `malloc` has no preconditions.
    let mut blocks: Vec<_> = std::iter::from_fn(|| unsafe { heap.malloc(BLOCK) }.ok()).collect();
    blocks.push(first);
    let report = heap.verify().unwrap();
    assert!(report.arenas > 1 && report.arena_bytes < LIMIT, "{report:?}");
    assert!(blocks.len() > LIMIT / MIB / 2, "{} blocks: {report:?}", blocks.len());

    // SAFETY: The heap allocated all of these blocks, and each is freed once.
    blocks.iter().for_each(|block| unsafe { heap.free(*block, BLOCK) });
    // SAFETY: `malloc` has no preconditions.
    let again = std::iter::from_fn(|| unsafe { heap.malloc(BLOCK) }.ok()).count();
    assert!(again >= blocks.len(), "{again} of {}", blocks.len());
    assert!(heap.verify().is_ok());
}
