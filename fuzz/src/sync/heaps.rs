//! The heaps that are shared.

use std::alloc::{GlobalAlloc, Layout};
use std::mem::MaybeUninit;
use std::rc::Rc;

use allocator_api2::alloc::Allocator;
use lock_api::RawMutex;
use talloc_core::{ArenaError, Config, Report, Span, Violation};
use talloc_sync::{AllocatorApi, Supply, Talloc, TallocCell, Tallock};

use super::pieces::{Pieces, Spares};
use super::turns;

/// A heap behind a shared reference.
pub trait SyncHeap {
    /// The parameters of the heap within.
    type Config: Config;

    /// A heap that gets its memory from `pieces`, but has none yet.
    fn new(pieces: Rc<Pieces>) -> Self;

    /// What every thread allocates with.
    fn allocator(&self) -> impl Allocator;

    /// The heap as a global allocator, if it can be one.
    fn global(&self) -> Option<&dyn GlobalAlloc>;

    /// Claims the next piece, if there is one.
    fn claim(&self) -> Result<(), ArenaError>;

    fn arenas(&self) -> Vec<Span>;

    fn flush(&self);

    fn verify(&self) -> Result<Report, Violation>;
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
        // SAFETY: A piece is given out once, and the heap's source keeps the pool.
        unsafe { heap.claim_as(piece, pieces.memory()) }
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

/// A heap in a cell that asks for pieces.
pub struct Cell<C: Config> {
    /// Does not outlive the pieces, as it comes before them.
    cell: TallocCell<'static, C, Slices>,
    pieces: Rc<Pieces>,
}

/// The pieces as a cell's supply, which lets other threads in.
struct Slices(Rc<Pieces>);

impl Supply<'static> for Slices {
    fn supply(&mut self, _: Layout) -> Option<&'static mut [MaybeUninit<u8>]> {
        turns::yield_now();
        // SAFETY: The supply keeps the pieces for as long as there is the cell.
        unsafe { self.0.give_slice() }
    }
}

impl<C: Config> SyncHeap for Cell<C> {
    type Config = C;

    fn new(pieces: Rc<Pieces>) -> Self {
        Self { cell: TallocCell::configured().with_supply(Slices(pieces.clone())), pieces }
    }

    fn allocator(&self) -> impl Allocator {
        &self.cell
    }

    fn global(&self) -> Option<&dyn GlobalAlloc> {
        None
    }

    fn claim(&self) -> Result<(), ArenaError> {
        // SAFETY: The pieces are kept beside the cell.
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
