//! Runs scripts, and checks the heaps after every step.

use std::alloc::Layout;
use std::fmt::Write;

use talloc_core::{Config, Lists, Report, Slab};
use talloc_sync::Inspect;
use talloc_sync::threads::{Host, Threaded};

use super::program::Program;
use super::script::{Op, Setup, Step, THREADS};
use crate::heap::{GRANULE, Limits};
use crate::ops::Pick;
use crate::ops::cursor::nearest_layout;
use crate::shadow::{Block, Shadow};

/// The number of steps between complete checks.
const PERIOD: usize = 64;

/// The largest numbers of blocks and bytes at a time. Separately mapped blocks have no other bound.
const BLOCKS: usize = 4000;
const BYTES: usize = 4 << 20;

/// The largest number of bytes in one thread's parcels: eight parcels, each of which is sent when it has 64 KiB. The
/// last block may exceed that.
const PARCELS: usize = 8 * (64 << 10) + (256 << 10);

type Check = Result<(), String>;

/// The heaps of a program, their expected state, and the steps so far.
pub struct Driver {
    program: &'static Program,
    threads: usize,
    has_barrier: bool,
    /// Whether a fork has lost threads together with their caches.
    has_forked: bool,
    shadow: Shadow,
    /// The number of bytes that may be lost: single granules cut off blocks of other heaps, and what is cut off blocks in
    /// slabs.
    lost: usize,
    calls: usize,
    steps: usize,
    trace: String,
}

impl Driver {
    pub fn new(setup: Setup) -> Self {
        let limits = Limits::of::<Threaded<Program>>();
        Self {
            program: Program::start(setup),
            threads: setup.threads,
            has_barrier: setup.has_barrier,
            has_forked: false,
            shadow: Shadow::new(limits),
            lost: 0,
            calls: 0,
            steps: 0,
            trace: String::new(),
        }
    }

    /// Returns the number of calls of the heaps so far.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Returns the steps so far, for printing.
    pub fn trace(&self) -> &str {
        &self.trace
    }

    /// Runs all steps, and cleans up afterwards. An error says what is wrong.
    pub fn run(&mut self, steps: &[Step]) -> Check {
        for step in steps {
            writeln!(self.trace, "    t{}: {:?};", step.thread, step.op)
                .expect("writing to a string cannot fail");
            self.program.turn(step.thread);
            self.step(step)?;
            self.steps += 1;
            self.settle()?;
        }
        self.finish()
    }

    fn step(&mut self, step: &Step) -> Check {
        match step.op {
            Op::Allocate { size, align, zeroed } => {
                self.allocate(nearest_layout(size, align), zeroed).map(drop)
            }
            Op::AllocateMany { size, blocks } => {
                for _ in 0..blocks {
                    if !self.allocate(nearest_layout(size, 8), false)? {
                        break;
                    }
                }
                Ok(())
            }
            Op::Deallocate { pick } => self.deallocate(pick),
            Op::DeallocateMany { pick, blocks } => {
                (0..blocks).try_for_each(|_| self.deallocate(pick))
            }
            Op::Resize { pick, size } => self.resize(pick, size),
            Op::Wait { milliseconds } => {
                self.program.wait(milliseconds);
                Ok(())
            }
            Op::Trim => {
                self.calls += 1;
                self.program.heaps().trim();
                Ok(())
            }
            Op::Leave => {
                self.leave(step.thread);
                Ok(())
            }
            Op::Refuse { period } => {
                self.program.refuse(period);
                Ok(())
            }
            Op::Fork => {
                self.fork(step.thread);
                Ok(())
            }
        }
    }

    /// Allocates a block. Returns whether there was room.
    fn allocate(&mut self, layout: Layout, zeroed: bool) -> Result<bool, String> {
        let is_full = self.shadow.used_bytes() + layout.size() > BYTES;
        if is_full || self.shadow.blocks().len() >= BLOCKS {
            return Ok(false);
        }
        self.calls += 1;
        let heaps = self.program.heaps();
        let (block, clean) = if zeroed {
            let Ok((block, dirty)) = heaps.malloc_dirty(layout) else { return Ok(false) };
            (block, dirty.min(layout.size()))
        } else {
            let Ok(block) = heaps.malloc(layout) else { return Ok(false) };
            (block, layout.size())
        };
        self.shadow.insert(block, layout, clean, &self.program.places())?;
        Ok(true)
    }

    fn deallocate(&mut self, pick: Pick) -> Check {
        let Some(index) = pick.of(self.shadow.blocks().len()) else { return Ok(()) };
        self.calls += 1;
        let block = self.shadow.remove(index)?;
        // SAFETY: The block is allocated with this layout, and is freed once.
        unsafe { self.program.heaps().free(block.ptr, block.layout) };
        Ok(())
    }

    fn resize(&mut self, pick: Pick, size: usize) -> Check {
        let Some(index) = pick.of(self.shadow.blocks().len()) else { return Ok(()) };
        self.calls += 1;
        let block = self.shadow.remove(index)?;
        let (old, new) = (block.layout, nearest_layout(size, block.layout.align()));
        // SAFETY: The block is allocated with this layout. If it moves, the old block is not used any more.
        let resized = unsafe { self.program.heaps().resize(block.ptr, old, new) };
        let (ptr, layout) = match resized {
            Ok(ptr) => (ptr, new),
            Err(_) if new.size() <= old.size() => return Err("refused to shrink a block".into()),
            Err(_) => (block.ptr, old),
        };
        if ptr == block.ptr {
            let rest = usable_size(old).saturating_sub(usable_size(layout));
            // A block in a slab keeps its size.
            let may_be_in_slab = usable_size(old) <= Slab::LARGEST_BLOCK;
            self.lost += if rest == GRANULE || may_be_in_slab { rest } else { 0 };
        }
        let kept = old.size().min(layout.size());
        let resized = Block { ptr, layout, ..block };
        self.shadow.put(resized, kept, usize::MAX, &self.program.places())
    }

    /// Ends a thread.
    fn leave(&mut self, thread: usize) {
        self.calls += 1;
        self.program.turn(thread);
        self.program.heaps().leave();
        self.program.forget(thread);
    }

    /// Continues as the child of a fork.
    fn fork(&mut self, survivor: usize) {
        self.calls += 1;
        self.has_forked = true;
        (0..THREADS)
            .filter(|thread| *thread != survivor)
            .for_each(|other| self.program.forget(other));
        // SAFETY: There is only one thread.
        unsafe { self.program.heaps().after_fork() };
    }

    fn report(&self) -> Result<Report, String> {
        self.program.heaps().verify().map_err(|violation| format!("verify: {violation}"))
    }

    /// Checks the heaps after a step, from the view of the current thread.
    fn settle(&mut self) -> Check {
        let report = self.report()?;
        if self.has_barrier && !self.has_forked {
            self.check_used(&report)?;
        }
        if !self.has_forked {
            self.check_statistics()?;
        }
        if self.steps % PERIOD == 0 {
            return self.check_memory();
        }
        match self.shadow.blocks().len() {
            0 => Ok(()),
            blocks => self.shadow.check(self.steps % blocks),
        }
    }

    fn check_memory(&self) -> Check {
        self.program.check_canaries()?;
        self.shadow.check_all()
    }

    /// Checks the heaps' counts. Blocks cached by other threads count as used.
    fn check_used(&self, report: &Report) -> Check {
        let least = self.bytes_in_heaps();
        let most = least
            + self.excess()
            + (self.threads - 1) * <Threaded<Program> as Config>::Quick::BYTES;
        let is_exact = self.threads == 1 && self.excess() == 0;
        if report.used_bytes < least
            || report.used_bytes > most
            || is_exact && least != report.used_bytes
        {
            return Err(format!("the live blocks take {least} to {most} bytes: {report:?}"));
        }
        Ok(())
    }

    /// Checks the statistics. Blocks on their way back to their heap count as used. Blocks cached by other threads do
    /// not. Without a barrier, the heaps of other threads are not counted, but their number is.
    fn check_statistics(&self) -> Check {
        let statistics = self.program.heaps().statistics();
        let others = self.program.other_threads_with_heaps();
        let unseen = if self.has_barrier { 0 } else { others };
        if statistics.unseen_heaps != unseen {
            return Err(format!("{unseen} heaps cannot be seen: {statistics:?}"));
        }
        let least = self.bytes_in_heaps();
        let most = least + self.excess() + self.threads * PARCELS;
        let is_seen = unseen == 0 && self.program.apart() == 0;
        if is_seen && !(least..=most).contains(&statistics.used_bytes) {
            return Err(format!("the live blocks take {least} to {most} bytes: {statistics:?}"));
        }
        Ok(())
    }

    /// Returns how many more bytes may be in use than the live blocks take. When memory has been short, blocks of slabs that
    /// are larger than needed may be in use or on lists.
    fn excess(&self) -> usize {
        self.lost + if self.program.was_short() { BYTES } else { 0 }
    }

    /// Returns the total size of allocated blocks that are not mapped separately.
    fn bytes_in_heaps(&self) -> usize {
        let in_heaps = |block: &&Block| !Program::is_apart(block.ptr.addr().get());
        let blocks = self.shadow.blocks().iter().filter(in_heaps);
        blocks.map(|block| usable_size(block.layout)).sum()
    }

    /// Frees all blocks, by all threads in turn, and ends the threads.
    fn finish(&mut self) -> Check {
        self.check_memory()?;
        self.program.refuse(0);
        let mut thread = 0;
        while !self.shadow.blocks().is_empty() {
            self.program.turn(thread);
            self.deallocate(Pick(7))?;
            thread = (thread + 1) % self.threads;
        }
        (0..THREADS).for_each(|thread| self.leave(thread));
        self.program.heaps().trim();
        let Report { used_bytes, cached_bytes, .. } = self.report()?;
        let is_empty = used_bytes <= self.lost && cached_bytes == 0 && self.program.apart() == 0;
        if !is_empty && !self.has_forked {
            let apart = self.program.apart();
            return Err(format!(
                "{used_bytes} bytes used, {cached_bytes} cached, {apart} blocks apart"
            ));
        }
        self.check_memory()
    }
}

/// Returns the size of the chunk of a block.
fn usable_size(layout: Layout) -> usize {
    Inspect::<Threaded<Program>, <Program as Host>::Source>::usable_size(layout.size())
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SAFETY: The driver and its blocks are not used any more. Only one driver exists per thread.
        unsafe { self.program.end() };
    }
}
