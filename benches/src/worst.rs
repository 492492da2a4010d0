//! The worst case: very many free chunks that do not fit.

use crate::{heap::Heap, replay::Stop, ticks, workload::Workload};
use cpu_time::ThreadTime;
use std::{alloc::Layout, time::Duration};

/// The layout of a free chunk. Its size is too large for exact bins and quick lists of all heaps, and lies at the start of
/// a range of sizes that most heaps put in one bin.
const HOLE: Layout = layout(1152, 8);

/// The layout of the block between two free chunks.
const WALL: Layout = layout(16, 8);

/// A near fit: too large for a free chunk by the coarsest granule of all heaps.
const NEAR: Layout = layout(1152 + 32, 8);

/// A request that fits in a free chunk, but not at this alignment.
const ALIGNED: Layout = layout(1024, 4096);

/// Bytes at both ends that may belong to a free chunk, but did not belong to its block.
const SLACK: usize = 64;

/// The sizes of the ping-pong. Neither fits in a free chunk.
const SHORT: Layout = NEAR;
const LONG: Layout = layout(2 * NEAR.size(), 8);

const fn layout(size: usize, align: usize) -> Layout {
    match Layout::from_size_align(size, align) {
        Ok(layout) => layout,
        Err(_) => panic!("no layout"),
    }
}

/// A kind of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Requests that are slightly too large for all free chunks; the rest of the arena has room.
    Near,
    /// Requests that no free chunk can align; the rest of the arena has room.
    Aligned,
    /// Two blocks grow and shrink in turn, each in the other's way.
    PingPong,
    /// [`Near`](Case::Near) in a heap that is otherwise full: every request fails.
    NearFull,
    /// [`Aligned`](Case::Aligned) in a heap that is otherwise full: every request fails.
    AlignedFull,
}

impl Case {
    /// All cases, in the order in which a heap goes through them.
    pub const ALL: [Self; 5] =
        [Self::Near, Self::Aligned, Self::PingPong, Self::NearFull, Self::AlignedFull];

    /// The case of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.name() == name)
    }

    /// Whether the rest of the arena is taken.
    fn is_full(self) -> bool {
        matches!(self, Self::NearFull | Self::AlignedFull)
    }

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "near fit",
            Self::Aligned => "aligned",
            Self::PingPong => "realloc ping-pong",
            Self::NearFull => "near fit, full",
            Self::AlignedFull => "aligned, full",
        }
    }
}

/// The number of free chunks, and of requests of each case.
#[derive(Debug, Clone, Copy)]
pub struct Worst {
    /// The number of free chunks.
    pub holes: usize,
    /// The number of requests. If they take too long, there are fewer, but at least one.
    pub requests: usize,
    /// The processor time that making the chunks, or the requests of a case, may take.
    pub limit: Duration,
}

impl Worst {
    /// Returns enough memory for a heap with headers of two words and granules of four words.
    pub fn arena(&self) -> usize {
        (self.holes * (HOLE.size() + WALL.size() + 96)).max(1 << 20) * 17 / 16 + (1 << 20)
    }
}

/// Returns the ticks of every request, for each of [`Case::ALL`].
impl Workload for Worst {
    type Output = Result<Vec<Vec<u32>>, Stop>;

    unsafe fn run<H: Heap>(&mut self, heap: &mut H) -> Self::Output {
        // SAFETY: the heap is new.
        unsafe {
            self.make_holes(heap)?;
            Case::ALL.into_iter().map(|case| self.requests(heap, case)).collect()
        }
    }
}

impl Worst {
    /// Allocates adjacent blocks, and frees every other block. The highest block is freed first, because a list in address
    /// order then finds the place at once. A block in which an aligned request would fit stays allocated.
    ///
    /// # Safety
    /// The heap is initialised.
    unsafe fn make_holes<H: Heap>(&self, heap: &mut H) -> Result<(), Stop> {
        let start = ThreadTime::now();
        let in_time = || if start.elapsed() < self.limit { Ok(()) } else { Err(Stop::OutOfTime) };
        let mut holes = Vec::new();
        while holes.len() < self.holes {
            // SAFETY: no size is zero.
            let [hole, wall] = unsafe { [heap.alloc(HOLE), heap.alloc(WALL)] };
            if hole.is_null() || wall.is_null() {
                return Err(Stop::OutOfMemory);
            }
            if !could_align(hole) {
                holes.push(hole);
            }
            if holes.len() % 1024 == 0 {
                in_time()?;
            }
        }
        for (number, hole) in holes.into_iter().rev().enumerate() {
            // SAFETY: the block is live.
            unsafe { heap.dealloc(hole, HOLE) };
            if number % 1024 == 0 {
                in_time()?;
            }
        }
        Ok(())
    }

    /// # Safety
    /// The heap is initialised.
    unsafe fn requests<H: Heap>(&self, heap: &mut H, case: Case) -> Result<Vec<u32>, Stop> {
        // SAFETY: by the contract of this function.
        unsafe {
            if case.is_full() {
                self.fill(heap)?;
            }
            match case {
                Case::Near | Case::NearFull => Ok(self.allocations(heap, NEAR)),
                Case::Aligned | Case::AlignedFull => Ok(self.allocations(heap, ALIGNED)),
                Case::PingPong => self.ping_pong(heap),
            }
        }
    }

    /// Takes the rest of the arena, until no near fit has room.
    ///
    /// # Safety
    /// The heap is initialised.
    unsafe fn fill<H: Heap>(&self, heap: &mut H) -> Result<(), Stop> {
        let start = ThreadTime::now();
        for size in [1 << 20, 64 << 10, 4 << 10, LONG.size(), NEAR.size()] {
            // SAFETY: no size is zero.
            while !unsafe { heap.alloc(layout(size, 8)) }.is_null() {
                if start.elapsed() > self.limit {
                    return Err(Stop::OutOfTime);
                }
            }
        }
        Ok(())
    }

    /// Times allocations; each block is freed before the next one.
    ///
    /// # Safety
    /// The heap is initialised.
    unsafe fn allocations<H: Heap>(&self, heap: &mut H, layout: Layout) -> Vec<u32> {
        self.repeat(|| {
            // SAFETY: no size is zero, and the block is live.
            unsafe {
                let start = ticks::start();
                let block = heap.alloc(layout);
                let time = ticks::since(start);
                if !block.is_null() {
                    heap.dealloc(block, layout);
                }
                time
            }
        })
    }

    /// Times reallocations of two blocks in turn.
    ///
    /// # Safety
    /// The heap is initialised.
    unsafe fn ping_pong<H: Heap>(&self, heap: &mut H) -> Result<Vec<u32>, Stop> {
        // SAFETY: no size is zero.
        let mut blocks = [(); 2].map(|()| (unsafe { heap.alloc(SHORT) }, SHORT));
        if blocks.iter().any(|(block, _)| block.is_null()) {
            return Err(Stop::OutOfMemory);
        }
        let mut turn = 0;
        let times = self.repeat(|| {
            let (block, old) = &mut blocks[turn % 2];
            turn += 1;
            let new = if *old == SHORT { LONG } else { SHORT };
            let start = ticks::start();
            // SAFETY: the block is live and has this layout.
            let moved = unsafe { heap.realloc(*block, *old, new.size()) };
            let time = ticks::since(start);
            if !moved.is_null() {
                (*block, *old) = (moved, new);
            }
            time
        });
        for (block, layout) in blocks {
            // SAFETY: the block is live and has this layout.
            unsafe { heap.dealloc(block, layout) };
        }
        Ok(times)
    }

    fn repeat(&self, mut request: impl FnMut() -> u32) -> Vec<u32> {
        let start = ThreadTime::now();
        // Without a limit, do not read the clock, whose instructions would count as part of the request.
        let in_time = || self.limit == Duration::MAX || start.elapsed() < self.limit;
        let mut times = Vec::with_capacity(self.requests);
        while times.len() < self.requests && (times.is_empty() || in_time()) {
            times.push(request());
        }
        times
    }
}

/// The requests of one case alone.
pub struct Requests(pub Worst, pub Case);

impl Workload for Requests {
    type Output = Result<(), Stop>;

    unsafe fn run<H: Heap>(&mut self, heap: &mut H) -> Self::Output {
        let Self(worst, case) = self;
        // SAFETY: the heap is new.
        unsafe {
            worst.make_holes(heap)?;
            worst.requests(heap, *case).map(drop)
        }
    }
}

/// Whether a free chunk in the place of this block could take an aligned request.
fn could_align(hole: *mut u8) -> bool {
    let (first, end) = (hole.addr() - SLACK, hole.addr() + HOLE.size() + SLACK);
    first.next_multiple_of(ALIGNED.align()) + ALIGNED.size() <= end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{heap::Memory, registry::HEAPS, workload};

    #[test]
    fn every_heap_passes() {
        let mut worst = Worst { holes: 2000, requests: 20, limit: Duration::from_secs(60) };
        let mut memory = Memory::new(worst.arena());
        for heap in HEAPS {
            // SAFETY: the memory is borrowed for the call.
            let times = unsafe { workload::check(heap, &mut worst, memory.first(usize::MAX)) };
            match times.unwrap() {
                Ok(times) => assert!(times.iter().all(|case| case.len() == 20), "{}", heap.name),
                // Its chunks are powers of two.
                Err(stop) => assert_eq!((heap.name, stop), ("buddy", Stop::OutOfMemory)),
            }
        }
    }

    #[test]
    fn each_case_can_be_had_alone() {
        let worst = Worst { holes: 200, requests: 3, limit: Duration::MAX };
        let mut memory = Memory::new(worst.arena());
        for case in Case::ALL {
            assert_eq!(Case::find(case.name()), Some(case));
            let mut requests = Requests(worst, case);
            // SAFETY: the memory is borrowed for the call.
            let done =
                unsafe { workload::check(&HEAPS[0], &mut requests, memory.first(usize::MAX)) };
            assert_eq!(done, Ok(Ok(())), "{case:?}");
        }
        assert_eq!(Case::find("far"), None);
    }

    #[test]
    fn what_could_align_is_known() {
        let at = std::ptr::without_provenance_mut;
        assert!(could_align(at(4096)) && could_align(at(8192 - 40)) && could_align(at(4096 + 48)));
        assert!(!could_align(at(4096 + 128)) && !could_align(at(8192 - 200)));
    }
}
