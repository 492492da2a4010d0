//! The shared heaps.

use std::alloc::{GlobalAlloc, Layout};
use std::mem::MaybeUninit;
use std::rc::Rc;

use allocator_api2::alloc::Allocator;
use lock_api::RawMutex;
use talloc_core::{ArenaError, Config, Report, Span, Violation};
use talloc_sync::{Caller, MemorySupply, SharedHeap, Talloc, TallocCell, TallocMagazines, Tallock};

use super::pieces::{Pieces, Spares};
use super::turns::{self, Turns};

/// A heap behind a shared reference.
pub trait SyncHeap {
    /// The parameters of the inner heap.
    type Config: Config;

    /// Creates a heap without memory that gets it from `pieces`.
    fn new(pieces: Rc<Pieces>) -> Self;

    /// Returns the allocator that every thread uses.
    fn allocator(&self) -> impl Allocator;

    /// Returns the heap as a global allocator, if it is one.
    fn global(&self) -> Option<&dyn GlobalAlloc>;

    /// Claims the next piece, if there is one.
    fn claim(&self) -> Result<(), ArenaError>;

    fn arenas(&self) -> Vec<Span>;

    fn flush(&self);

    /// Verifies the heap. Blocks cached for an interrupted call may count as used.
    fn verify(&self) -> Result<Report, Violation>;

    /// Returns the largest size of such blocks.
    fn most_cached(&self) -> usize {
        0
    }
}

impl<R: RawMutex, C: Config> SyncHeap for Tallock<R, C, Spares> {
    type Config = C;

    fn new(pieces: Rc<Pieces>) -> Self {
        Talloc::with_source(Spares(pieces)).lock()
    }

    fn allocator(&self) -> impl Allocator {
        self.allocator_api_ref()
    }

    fn global(&self) -> Option<&dyn GlobalAlloc> {
        Some(self)
    }

    fn claim(&self) -> Result<(), ArenaError> {
        let mut heap = self.0.lock();
        let pieces = heap.source().0.clone();
        let Some(piece) = pieces.give() else { return Ok(()) };
        // SAFETY: Each piece is provided once, and the heap's source keeps the pool alive.
        unsafe { heap.arenas_mut().claim_as(piece, pieces.memory()) }
    }

    fn arenas(&self) -> Vec<Span> {
        self.0.lock().arenas().collect()
    }

    fn flush(&self) {
        self.0.lock().flush();
    }

    fn verify(&self) -> Result<Report, Violation> {
        self.0.lock().verify()
    }
}

/// A heap with magazines. Two interrupted calls have a slot each.
pub type Magazines<C> = TallocMagazines<Turns, C, Spares, FirstSlot, 2>;

/// A caller that starts with the first slot, and takes the next one if that is in use.
pub struct FirstSlot;

impl Caller for FirstSlot {
    fn number() -> usize {
        0
    }
}

impl<C: Config> SyncHeap for Magazines<C> {
    type Config = C;

    fn new(pieces: Rc<Pieces>) -> Self {
        Self::new(Talloc::with_source(Spares(pieces)))
    }

    fn allocator(&self) -> impl Allocator {
        self
    }

    fn global(&self) -> Option<&dyn GlobalAlloc> {
        Some(self)
    }

    fn claim(&self) -> Result<(), ArenaError> {
        let mut heap = self.lock();
        let pieces = heap.source().0.clone();
        let Some(piece) = pieces.give() else { return Ok(()) };
        // SAFETY: Each piece is provided once, and the heap's source keeps the pool alive.
        unsafe { heap.arenas_mut().claim_as(piece, pieces.memory()) }
    }

    fn arenas(&self) -> Vec<Span> {
        self.lock().arenas().collect()
    }

    fn flush(&self) {
        self.flush();
        self.lock().flush();
    }

    fn verify(&self) -> Result<Report, Violation> {
        SharedHeap::verify(self)
    }

    fn most_cached(&self) -> usize {
        self.arenas().iter().map(|arena| arena.size()).sum::<usize>() / 16
    }
}

/// A heap in a cell whose supply provides pieces.
pub struct Cell<C: Config> {
    /// Dropped before the pieces, because it is declared before them.
    cell: TallocCell<'static, C, Slices>,
    pieces: Rc<Pieces>,
}

/// The pieces as a cell's supply, which lets other threads run.
struct Slices(Rc<Pieces>);

impl MemorySupply<'static> for Slices {
    fn supply(&mut self, _: Layout) -> Option<&'static mut [MaybeUninit<u8>]> {
        turns::yield_now();
        // SAFETY: The supply keeps the pieces alive as long as the cell.
        unsafe { self.0.give_slice() }
    }
}

impl<C: Config> SyncHeap for Cell<C> {
    type Config = C;

    fn new(pieces: Rc<Pieces>) -> Self {
        Self { cell: TallocCell::with_config().with_supply(Slices(pieces.clone())), pieces }
    }

    fn allocator(&self) -> impl Allocator {
        &self.cell
    }

    fn global(&self) -> Option<&dyn GlobalAlloc> {
        None
    }

    fn claim(&self) -> Result<(), ArenaError> {
        // SAFETY: The pieces outlive the cell.
        unsafe { self.pieces.give_slice() }.map_or(Ok(()), |piece| self.cell.claim(piece))
    }

    fn arenas(&self) -> Vec<Span> {
        self.cell.arenas().collect()
    }

    fn flush(&self) {
        self.cell.flush();
    }

    fn verify(&self) -> Result<Report, Violation> {
        self.cell.verify()
    }
}
