//! Random programs that check the contents of their blocks.

use std::alloc::{GlobalAlloc, Layout};

/// A live block whose bytes are all `mark`.
pub struct Live {
    pub block: *mut u8,
    pub layout: Layout,
    pub mark: u8,
}

// SAFETY: The value owns the block.
unsafe impl Send for Live {}

impl Live {
    pub fn new<A: GlobalAlloc>(allocator: &A, random: &mut fastrand::Rng, largest: usize) -> Self {
        let size = random_size(random, largest);
        let layout = Layout::from_size_align(size, 1 << random.u32(..=13)).unwrap();
        // SAFETY: The size is not zero.
        let block = unsafe {
            if random.bool() {
                let block = allocator.alloc_zeroed(layout);
                assert!(holds(block, size, 0));
                block
            } else {
                allocator.alloc(layout)
            }
        };
        assert!(!block.is_null() && block.addr() % layout.align() == 0);
        Self { block, layout, mark: 0 }.filled(random.u8(..))
    }

    pub fn filled(mut self, mark: u8) -> Self {
        self.mark = mark;
        // SAFETY: The block is live, and has this layout.
        unsafe { self.block.write_bytes(mark, self.layout.size()) };
        self
    }

    pub fn resized<A: GlobalAlloc>(self, allocator: &A, size: usize, mark: u8) -> Self {
        let kept = self.layout.size().min(size);
        self.check();
        // SAFETY: The block is live, and the size is not zero.
        let block = unsafe { allocator.realloc(self.block, self.layout, size) };
        assert!(!block.is_null() && block.addr() % self.layout.align() == 0);
        // SAFETY: The block has at least `kept` bytes.
        assert!(unsafe { holds(block, kept, self.mark) });
        let layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        Self { block, layout, mark: 0 }.filled(mark)
    }

    pub fn freed<A: GlobalAlloc>(self, allocator: &A) {
        self.check();
        // SAFETY: The block is live, and has this layout.
        unsafe { allocator.dealloc(self.block, self.layout) }
    }

    fn check(&self) {
        // SAFETY: The block is live, and has this layout.
        assert!(unsafe { holds(self.block, self.layout.size(), self.mark) });
    }
}

/// Returns a random size of at most `largest`. Each power of two is equally likely.
fn random_size(random: &mut fastrand::Rng, largest: usize) -> usize {
    let bits = random.u32(..=largest.ilog2());
    (1 + random.usize(..1 << bits)).min(largest)
}

/// Returns whether all bytes have this value.
///
/// # Safety
///
/// The bytes are readable.
unsafe fn holds(block: *const u8, size: usize, value: u8) -> bool {
    // SAFETY: The caller passes `size` readable bytes.
    unsafe { std::slice::from_raw_parts(block, size) }.iter().all(|byte| *byte == value)
}

/// Allocates, reallocates and frees at random, with at most `most` blocks at a time.
pub fn run<A: GlobalAlloc>(allocator: &A, seed: u64, steps: usize, most: usize, largest: usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut live: Vec<Live> = vec![];
    for _ in 0..steps {
        match random.u32(..10) {
            0..5 if live.len() < most => live.push(Live::new(allocator, &mut random, largest)),
            5..7 if !live.is_empty() => {
                let block = live.swap_remove(random.usize(..live.len()));
                let size = random_size(&mut random, largest);
                live.push(block.resized(allocator, size, random.u8(..)));
            }
            _ if !live.is_empty() => {
                live.swap_remove(random.usize(..live.len())).freed(allocator);
            }
            _ => {}
        }
    }
    // All blocks have kept their contents.
    live.into_iter().for_each(|block| block.freed(allocator));
}
