//! Workloads whose course depends on the heap, so that they cannot be scripts.

use crate::{
    heap::{Heap, InPlace},
    registry::{Entry, Visitor, visit_one},
    replay::Stop,
    watched::Watched,
};
use std::{marker::PhantomData, ptr::NonNull};

/// A workload.
pub trait Workload {
    /// The result.
    type Output;

    /// Runs the workload. Blocks that it leaves allocated are dropped with the heap.
    ///
    /// # Safety
    /// The heap is initialised and has no blocks.
    unsafe fn run<H: Heap>(&mut self, heap: &mut H) -> Self::Output;
}

/// Runs a workload on a new heap over `memory`.
///
/// # Errors
/// If the heap has no room for itself.
///
/// # Safety
/// The memory is valid for reads and writes and is nobody else's during the call.
pub unsafe fn run<W: Workload>(
    heap: &Entry,
    workload: &mut W,
    memory: NonNull<[u8]>,
) -> Result<W::Output, Stop> {
    let mut new = OnNew::<_, Plain> { workload, memory, output: None, how: PhantomData };
    visit_one(heap, &mut new);
    new.output.ok_or(Stop::OutOfMemory)
}

/// Runs a workload on a new heap over `memory`, and validates all blocks.
///
/// # Panics
/// At the first error.
///
/// # Errors
/// If the heap has no room for itself.
///
/// # Safety
/// As [`run`].
pub unsafe fn check<W: Workload>(
    heap: &Entry,
    workload: &mut W,
    memory: NonNull<[u8]>,
) -> Result<W::Output, Stop> {
    let mut new = OnNew::<_, Checking> { workload, memory, output: None, how: PhantomData };
    visit_one(heap, &mut new);
    new.output.ok_or(Stop::OutOfMemory)
}

/// How a heap is wrapped before it is used.
trait How {
    type Heap<H: Heap>: Heap;
}

struct Plain;
struct Checking;

impl How for Plain {
    type Heap<H: Heap> = H;
}

impl How for Checking {
    type Heap<H: Heap> = Watched<H>;
}

/// A visitor that runs the workload on a new heap of the type that it visits. Nobody else uses the memory.
struct OnNew<'a, W: Workload, M> {
    workload: &'a mut W,
    memory: NonNull<[u8]>,
    output: Option<W::Output>,
    how: PhantomData<M>,
}

impl<W: Workload, M: How> Visitor for OnNew<'_, W, M> {
    fn visit<H: Heap>(&mut self) {
        let mut heap = InPlace(M::Heap::<H>::empty());
        // SAFETY: who makes an `OnNew` gives the memory, and shows it one type.
        if unsafe { heap.0.init(self.memory) } {
            // SAFETY: the heap is new.
            self.output = Some(unsafe { self.workload.run(&mut heap.0) });
        }
    }
}
