//! The allocator traits' operations, through a shared reference.

use std::cell::RefCell;

use talloc_core::shared::{self, SharedHeap};
use talloc_core::{Compact, OomHandler, OwnedTalloc, Talloc};
use talloc_fuzz::Pool;

use crate::regressions::layout;

/// A heap in a cell.
struct Cell(RefCell<OwnedTalloc>);

// SAFETY: All calls use the same heap, and the cell allows only one at a time.
unsafe impl SharedHeap for Cell {
    type Config = Compact;
    type Source = OomHandler<Compact>;

    fn with<T>(&self, f: impl FnOnce(&mut Talloc) -> T) -> T {
        f(&mut self.0.borrow_mut())
    }
}

fn heap(pool: &Pool) -> Cell {
    let mut heap = Talloc::new();
    // SAFETY: Nothing else uses the memory of the pool.
    unsafe { heap.init(pool.span()) };
    Cell(RefCell::new(heap))
}

#[test]
fn dangling_pointers_are_aligned() {
    let pool = Pool::new(4096);
    let heap = heap(&pool);
    for align_log2 in 0..30 {
        let empty = layout(0, 1 << align_log2);
        let block = shared::allocate(&heap, empty).expect("size zero needs no memory");
        assert_eq!(block.len(), 0);
        assert_eq!(block.cast::<u8>().addr().get() % empty.align(), 0);
        // SAFETY: The block was allocated with this layout.
        unsafe { shared::deallocate(&heap, block.cast(), empty) };
    }
}

/// A block moves to get a larger alignment. Only its old length is copied, and nothing beyond it is read.
#[test]
fn a_block_that_moves_is_copied_with_its_old_length() {
    let pool = Pool::new(64 << 10);
    let heap = heap(&pool);
    let (old, new) = (layout(40, 8), layout(400, 4096));
    let block = shared::allocate(&heap, old).expect("there is room").cast::<u8>();
    // SAFETY: The bytes lie in the pool, which is initialised. The block is allocated with this layout.
    let (after, grown) = unsafe {
        block.write_bytes(0x11, old.size());
        let after: Vec<u8> = (old.size()..new.size()).map(|at| block.add(at).read()).collect();
        let grown = shared::grow(&heap, block, old, new).expect("there is room");
        (after, grown.as_ref())
    };
    assert_eq!(grown.as_ptr().addr() % new.align(), 0);
    assert_eq!(grown.len(), new.size());
    assert_eq!(grown[..old.size()], [0x11; 40]);
    // The pool is full of bytes that differ between places.
    assert_ne!(grown[old.size()..], after);
}
