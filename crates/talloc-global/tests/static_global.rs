//! A static array as the memory of a program with threads.
#![cfg(feature = "spin")]

mod common;

use talloc_global::*;

static ARENA: StaticArena<{ 32 << 20 }> = StaticArena::new();
#[global_allocator]
static ALLOCATOR: StaticTalloc = StaticTalloc::new(&ARENA);

#[test]
fn threads_share_the_heap() {
    common::hammer(4, 20_000);
    // The lock is released before a panic, which allocates.
    let verified = ALLOCATOR.0.lock().verify();
    let report = verified.unwrap();
    assert_eq!((report.arenas, report.arena_bytes), (1, 32 << 20));
}

#[test]
fn requests_beyond_the_memory_are_refused() {
    let mut bytes = Vec::<u8>::new();
    assert!(bytes.try_reserve_exact(32 << 20).is_err());
    assert!(bytes.try_reserve_exact(16 << 20).is_ok());
    assert!(ALLOCATOR.0.lock().verify().is_ok());
}
