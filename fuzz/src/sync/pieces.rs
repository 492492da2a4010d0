//! The memory of a shared heap, and its sources.

use std::alloc::Layout;
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::{ptr, slice};

use talloc_core::{AllocError, Config, Memory, Source, Span, Talloc};

use super::script::Setup;
use crate::pool::Pool;

/// A pool that is divided into pieces, which become arenas one after another.
pub struct Pieces {
    pub pool: Pool,
    zeroed: bool,
    left: RefCell<Vec<Span>>,
    given: RefCell<Vec<Span>>,
}

impl Pieces {
    /// The size of a further piece, with room for a control block in every configuration.
    const FURTHER: usize = 8 << 10;

    /// The bytes between pieces, so that their pointers can be distinguished.
    const GAP: usize = 64;

    pub fn new(setup: &Setup) -> Self {
        let pool = Pool::new(setup.skew + setup.size + setup.further * (Self::GAP + Self::FURTHER));
        let mut rest = pool.span().truncate(setup.skew, 0);
        let mut left = Vec::new();
        for size in [setup.size].into_iter().chain((0..setup.further).map(|_| Self::FURTHER)) {
            left.push(rest.truncate(0, rest.size() - size));
            rest = rest.truncate(size + Self::GAP, 0);
        }
        left.reverse();
        let given = RefCell::default();
        Self { pool, zeroed: setup.zeroed, left: RefCell::new(left), given }
    }

    /// Returns the next piece, which must be claimed at once.
    pub fn give(&self) -> Option<Span> {
        let piece = self.left.borrow_mut().pop()?;
        if self.zeroed {
            self.pool.clear(piece);
        }
        self.given.borrow_mut().push(piece);
        Some(piece)
    }

    /// Returns the properties of pieces.
    pub fn memory(&self) -> Memory {
        if self.zeroed { Memory::ZEROED } else { Memory::empty() }
    }

    /// Returns the pieces provided so far.
    pub fn given(&self) -> Vec<Span> {
        self.given.borrow().clone()
    }

    /// Returns the next piece as bytes.
    ///
    /// # Safety
    ///
    /// The bytes must not outlive the pieces.
    pub unsafe fn give_slice(&self) -> Option<&'static mut [MaybeUninit<u8>]> {
        let piece = self.give()?;
        let base = piece.get_base_ptr().unwrap_or(ptr::dangling_mut());
        // SAFETY: The piece is in the pool, and is provided only once.
        Some(unsafe { slice::from_raw_parts_mut(base.cast(), piece.size()) })
    }
}

/// The pieces as a source.
pub struct Spares(pub Rc<Pieces>);

impl<C: Config> Source<C> for Spares {
    fn acquire(heap: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
        let pieces = heap.source().0.clone();
        let piece = pieces.give().ok_or(AllocError)?;
        // SAFETY: Each piece is provided once, and the source keeps the pool alive.
        unsafe { heap.arenas_mut().claim_as(piece, pieces.memory()) }.map_err(|_| AllocError)
    }
}
