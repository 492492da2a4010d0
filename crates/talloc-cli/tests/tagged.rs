//! Heaps of these crates whose blocks have memory tags by `talloc_guarded::Tagged`. On machines without tags, they have
//! none.
#![cfg(unix)]

use std::alloc::{GlobalAlloc, Layout};
use std::thread;

use talloc_global::config::Checked;
use talloc_global::source::SystemHardened;
use talloc_global::{SharedHeap, SystemTalloc, SystemTallock};
use talloc_guarded::{Tagged, has_memory_tags};

#[global_allocator]
static ALLOCATOR: Tagged<SystemTalloc> = Tagged::new(SystemTalloc::new());

/// A block whose bytes are all `mark`.
struct Block {
    start: *mut u8,
    layout: Layout,
    mark: u8,
}

impl Block {
    fn check(&self) {
        // SAFETY: The block is live and initialised.
        let bytes = unsafe { std::slice::from_raw_parts(self.start, self.layout.size()) };
        assert!(bytes.iter().all(|byte| *byte == self.mark));
    }
}

/// Allocates, reallocates and frees at random, with sizes of up to `bits` bits.
fn run<A: GlobalAlloc>(allocator: &A, seed: u64, steps: usize, bits: u32) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut live: Vec<Block> = vec![];
    for step in 0..steps {
        let most = 1 << random.u32(..=bits);
        let (size, mark) = (random.usize(1..=most), step as u8);
        // SAFETY: The sizes are not zero, and only live blocks are used.
        unsafe {
            if live.len() < 100 && random.bool() {
                let layout = Layout::from_size_align(size, 1 << random.u32(..13)).unwrap();
                let start = allocator.alloc_zeroed(layout);
                assert!(!start.is_null() && start.addr() % layout.align() == 0);
                Block { start, layout, mark: 0 }.check();
                start.write_bytes(mark, size);
                live.push(Block { start, layout, mark });
            } else if !live.is_empty() {
                let old = live.swap_remove(random.usize(..live.len()));
                old.check();
                if random.bool() {
                    allocator.dealloc(old.start, old.layout);
                    continue;
                }
                let start = allocator.realloc(old.start, old.layout, size);
                assert!(!start.is_null());
                let align = old.layout.align();
                let kept = Layout::from_size_align(size.min(old.layout.size()), align).unwrap();
                Block { start, layout: kept, mark: old.mark }.check();
                start.write_bytes(mark, size);
                live.push(Block {
                    start,
                    layout: Layout::from_size_align(size, align).unwrap(),
                    mark,
                });
            }
        }
    }
    for block in live {
        block.check();
        // SAFETY: The block is live, and has this layout.
        unsafe { allocator.dealloc(block.start, block.layout) };
    }
}

#[test]
fn heaps_of_threads_keep_their_contents_and_are_sound() {
    thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || run(&ALLOCATOR, seed, 2000, 12));
        }
    });
    // The trim gives memory back to the system, and the program uses it again.
    ALLOCATOR.inner().trim();
    run(&ALLOCATOR, 5, 2000, 16);
    ALLOCATOR.inner().verify().unwrap();
}

#[test]
fn heaps_that_check_blocks_find_nothing_in_correct_programs() {
    let checked = Tagged::new(SystemTallock::<Checked>::with_config());
    run(&checked, 1, 2000, 14);
    checked.inner().verify().unwrap();
    assert_eq!(checked.inner().statistics().used_bytes, 0);
    let hardened = Tagged::new(SystemTallock::<SystemHardened>::with_config());
    run(&hardened, 2, 2000, 14);
    hardened.inner().verify().unwrap();
}

#[test]
fn blocks_have_tags_if_there_are_any() {
    let number = Box::new(1);
    let is_tagged = (&raw const *number).addr() >> usize::BITS.saturating_sub(8) != 0;
    assert_eq!(is_tagged, has_memory_tags());
}
