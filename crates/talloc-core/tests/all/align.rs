//! Alignments of up to 1 MiB, on every path that allocates.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::cell::RefCell;

use crate::common::{layout, memory, part};
use talloc_core::shared::{self, SharedHeap};
use talloc_core::{Compact, Config, Memory, Micro, OomHandler, OwnedTalloc, RealTime, Talloc};

/// The value of a block's bytes.
const CONTENT: u8 = 0xb7;

/// The initial value of the memory, so that bytes are not zero by chance.
const SOIL: u8 = 0xee;

/// A heap in a cell.
struct Heap<C: Config>(RefCell<OwnedTalloc<C>>);

// SAFETY: All calls use the same heap, and the cell allows only one at a time.
unsafe impl<C: Config> SharedHeap for Heap<C> {
    type Config = C;
    type Source = OomHandler<C>;

    fn with<T>(&self, f: impl FnOnce(&mut Talloc<C>) -> T) -> T {
        f(&mut self.0.borrow_mut())
    }
}

/// A block and its layout.
struct Block {
    ptr: NonNull<u8>,
    layout: Layout,
}

impl Block {
    fn new(ptr: NonNull<u8>, layout: Layout) -> Self {
        assert_eq!(ptr.addr().get() % layout.align(), 0, "{layout:?}");
        // SAFETY: The access is within the block.
        unsafe { ptr.write_bytes(CONTENT, layout.size()) };
        Self { ptr, layout }
    }

    fn zeroed(ptr: NonNull<u8>, layout: Layout) -> Self {
        check(ptr, 0, layout.size(), 0);
        Self::new(ptr, layout)
    }

    /// Checks that a resized block has kept its contents. Returns it with its new address and layout.
    fn became(self, ptr: NonNull<u8>, layout: Layout) -> Self {
        check(ptr, 0, layout.size().min(self.layout.size()), CONTENT);
        Self::new(ptr, layout)
    }
}

/// Checks that the bytes from `start` to `end` are `content`.
fn check(ptr: NonNull<u8>, start: usize, end: usize, content: u8) {
    // SAFETY: The tests pass initialised bytes of blocks that they own.
    assert!((start..end).all(|byte| unsafe { ptr.add(byte).read() } == content));
}

impl<C: Config> Heap<C> {
    /// Creates a heap of `bytes` bytes, which begin and end at odd addresses.
    fn new(bytes: usize, known: Memory) -> Self {
        let memory = part(memory(bytes), 3, bytes - 5);
        let mut heap = Talloc::with_config();
        // SAFETY: The memory is leaked, and nothing else uses it. It is zero unless `known` says otherwise.
        unsafe {
            if !known.contains(Memory::ZEROED) {
                memory.get_base_ptr().unwrap().write_bytes(SOIL, memory.size());
            }
            heap.arenas_mut().claim_as(memory, known).unwrap();
        }
        Self(RefCell::new(heap))
    }

    fn malloc(&self, layout: Layout) -> Block {
        // SAFETY: `malloc` has no preconditions.
        Block::new(self.with(|heap| unsafe { heap.malloc(layout) }).unwrap(), layout)
    }

    /// Allocates a block above all others, so that none can grow in place. It is larger than the gaps between aligned
    /// blocks.
    fn fence(&self, align: usize) -> Block {
        self.malloc(layout(align.max(64), 8))
    }

    fn free(&self, block: Block) {
        check(block.ptr, 0, block.layout.size(), CONTENT);
        // SAFETY: The block has this layout, and is freed once.
        self.with(|heap| unsafe { heap.free(block.ptr, block.layout) });
    }
}

/// Runs a test with each alignment and some sizes. All memory must be free afterwards.
fn each<C: Config>(known: Memory, test: impl Fn(&Heap<C>, Layout)) {
    // 16-bit links reach no further.
    let (bytes, most_log2) =
        if size_of::<C::Index>() == 2 { (500 << 10, 16) } else { (8 << 20, 20) };
    let heap = Heap::<C>::new(bytes, known);
    let empty = heap.with(|heap| heap.verify()).unwrap();
    for (log2, size) in (0..=most_log2).flat_map(|log2| [1, 40, 600, 5000].map(|size| (log2, size)))
    {
        test(&heap, layout(size, 1 << log2));
        let report = heap.with(|heap| {
            heap.verify().unwrap();
            heap.flush();
            heap.verify().unwrap()
        });
        assert_eq!((report.used_bytes, report.free_chunks), (0, 1));
        assert_eq!(report.free_bytes, empty.free_bytes);
    }
}

macro_rules! each_config {
    ($($(#[$attribute:meta])* fn $name:ident($known:expr) $test:expr;)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            each::<Compact>($known, $test);
            each::<RealTime>($known, $test);
            each::<Micro>($known, $test);
        }
    )*};
}

each_config! {
    fn malloc(Memory::empty()) |heap, layout| {
        let blocks = [(); 3].map(|()| heap.malloc(layout));
        heap.with(|heap| heap.verify()).unwrap();
        blocks.into_iter().for_each(|block| heap.free(block));
    };

    fn malloc_zeroed(Memory::empty()) |heap, layout| {
        let blocks = [(); 2].map(|()| {
            // SAFETY: `malloc_zeroed` has no preconditions.
            let block = heap.with(|heap| unsafe { heap.malloc_zeroed(layout) }).unwrap();
            Block::zeroed(block, layout)
        });
        blocks.into_iter().for_each(|block| heap.free(block));
        let block = shared::allocate_zeroed(heap, layout).unwrap().cast();
        heap.free(Block::zeroed(block, layout));
    };

    fn malloc_dirty(Memory::ZEROED) |heap, layout| {
        let blocks = [(); 2].map(|()| {
            // SAFETY: `malloc_dirty` has no preconditions.
            let (block, dirty) = heap.with(|heap| unsafe { heap.backend().malloc_dirty(layout) }).unwrap();
            assert!(dirty <= layout.size());
            check(block, dirty, layout.size(), 0);
            Block::new(block, layout)
        });
        blocks.into_iter().for_each(|block| heap.free(block));
    };

    fn grow(Memory::empty()) |heap, old| {
        let block = heap.malloc(old);
        let fence = heap.fence(old.align());
        let new = layout(2 * old.size() + 16, old.align());
        // SAFETY: The block has this layout.
        let grown = heap.with(|heap| unsafe { heap.grow(block.ptr, old, new.size()) }).unwrap();
        assert_ne!(grown, block.ptr);
        let grown = block.became(grown, new);
        // Grows the block in place, too. It is the last one if it is not the lowest.
        let newer = layout(new.size() + 8, new.align());
        // SAFETY: The block has this layout.
        let ptr = heap.with(|heap| unsafe { heap.grow(grown.ptr, new, newer.size()) }).unwrap();
        let grown = grown.became(ptr, newer);
        [fence, grown].into_iter().for_each(|block| heap.free(block));
    };

    fn grow_with_raised_alignment(Memory::empty()) |heap, aligned| {
        for (size, zeroed) in [(1, false), (40, true)] {
            let old = layout(size, 8);
            // At least one of the two blocks does not have the new alignment by chance.
            let blocks = [(); 2].map(|()| heap.malloc(old));
            let new = layout(old.size() + aligned.size(), aligned.align());
            let blocks = blocks.map(|block| {
                // SAFETY: The block has the layout `old`.
                let grown = unsafe {
                    if zeroed {
                        shared::grow_zeroed(heap, block.ptr, old, new)
                    } else {
                        shared::grow(heap, block.ptr, old, new)
                    }
                };
                let grown = grown.unwrap().cast();
                if zeroed {
                    check(grown, old.size(), new.size(), 0);
                }
                block.became(grown, new)
            });
            blocks.into_iter().for_each(|block| heap.free(block));
        }
    };

    fn shrink_with_raised_alignment(Memory::empty()) |heap, new| {
        let old = layout(new.size() + 100, 8);
        let blocks = [(); 2].map(|()| heap.malloc(old));
        let blocks = blocks.map(|block| {
            // SAFETY: The block has the layout `old`.
            let shrunk = unsafe { shared::shrink(heap, block.ptr, old, new) }.unwrap().cast();
            block.became(shrunk, new)
        });
        // With a smaller alignment, blocks stay in place.
        let least = layout(1, 1);
        let blocks = blocks.map(|block| {
            // SAFETY: The block has the layout `new`.
            let shrunk = unsafe { shared::shrink(heap, block.ptr, new, least) }.unwrap().cast();
            assert_eq!(shrunk, block.ptr);
            block.became(shrunk, least)
        });
        blocks.into_iter().for_each(|block| heap.free(block));
    };

    fn realloc(Memory::empty()) |heap, old| {
        let block = heap.malloc(old);
        let fence = heap.fence(old.align());
        let mut block = block;
        for size in [old.size() + 1000, old.size(), old.size() + 3000, 1] {
            // SAFETY: The block has this layout.
            let ptr = unsafe { shared::global::realloc(heap, block.ptr.as_ptr(), block.layout, size) };
            let ptr = NonNull::new(ptr).unwrap();
            block = block.became(ptr, layout(size, old.align()));
        }
        [fence, block].into_iter().for_each(|block| heap.free(block));
    };
}

/// Blocks of 1 MiB, aligned to 1 MiB, are adjacent.
#[test]
fn aligned_blocks_pack() {
    const MIB: usize = 1 << 20;
    let heap = Heap::<Compact>::new(8 * MIB, Memory::empty());
    let layout = layout(MIB, MIB);
    // SAFETY: `malloc` has no preconditions.
    let block = || heap.with(|heap| unsafe { heap.malloc(layout) }).ok();
    let mut blocks: Vec<_> = core::iter::from_fn(block).collect();
    blocks.sort();
    // The arena is not aligned at either end, and its bitmap takes a 64th.
    assert!(blocks.len() >= 6, "{}", blocks.len());
    assert!(blocks.windows(2).all(|pair| pair[1].addr().get() - pair[0].addr().get() == MIB));
    heap.with(|heap| heap.verify()).unwrap();
    blocks.into_iter().for_each(|block| heap.free(Block::new(block, layout)));
    assert_eq!(heap.with(|heap| heap.verify()).unwrap().free_chunks, 1);
}
