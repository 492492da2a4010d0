//! A `static` as the memory of a whole program, with threads.
#![cfg(feature = "spin")]

mod common;

use talloc_global::*;

static ARENA: StaticArena<{ 32 << 20 }> = StaticArena::new();
#[global_allocator]
static ALLOCATOR: StaticTalloc = StaticTalloc::new(&ARENA);

#[test]
fn threads_share_the_heap() {
    common::hammer(4, 20_000);
    // The guard must be gone before anything panics, which allocates.
    let verified = ALLOCATOR.0.lock().verify();
    let report = verified.unwrap();
    assert_eq!((report.arenas, report.arena_bytes), (1, 32 << 20));
}

#[test]
fn what_there_is_not_is_refused() {
    let mut bytes = Vec::<u8>::new();
    assert!(bytes.try_reserve_exact(32 << 20).is_err());
    assert!(bytes.try_reserve_exact(16 << 20).is_ok());
    assert!(ALLOCATOR.0.lock().verify().is_ok());
}
