//! A program with `SystemTalloc`. `talloc_guarded::Guarded` guards some of its blocks.
#![cfg(unix)]

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::thread;

use talloc_global::SystemTalloc;
use talloc_guarded::Guarded;

#[global_allocator]
static ALLOCATOR: Guarded<SystemTalloc> =
    Guarded::new(SystemTalloc::new()).with_rate(NonZeroUsize::new(3)).with_large(100_000);

/// Allocates blocks of many sizes, and returns them to another thread.
fn blocks(seed: u64) -> HashMap<u64, Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut blocks = HashMap::new();
    for _ in 0..3000 {
        let size = random.usize(..200);
        let size = if random.u8(..) == 0 { size * 1500 } else { size };
        let key = random.u64(..500);
        blocks.insert(key, vec![key as u8; size]);
        if let Some(block) = blocks.get_mut(&random.u64(..500)) {
            let first = block.first().copied().unwrap_or_default();
            block.resize(random.usize(..3000), first);
        }
    }
    blocks
}

#[test]
fn blocks_of_threads_keep_their_contents() {
    let threads: Vec<_> = (0..4).map(|seed| thread::spawn(move || blocks(seed))).collect();
    let maps: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let all = || maps.iter().flat_map(HashMap::values).filter(|block| !block.is_empty());
    assert!(all().all(|block| block.iter().all(|byte| *byte == block[0])));
    let guarded = all().filter(|block| ALLOCATOR.is_guarded(block.as_ptr())).count();
    assert!((1..all().count()).contains(&guarded), "{guarded}");
}
