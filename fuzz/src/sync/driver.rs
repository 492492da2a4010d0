//! Runs scripts of threads, and checks the heap after every step.

use std::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::ptr::NonNull;
use std::rc::Rc;

use super::call::Call;
use super::heaps::SyncHeap;
use super::pieces::Pieces;
use super::script::{Op, Script, Step};
use super::turns;
use crate::heap::{GRANULE, Limits};
use crate::ops::Pick;
use crate::ops::cursor::nearest_layout;
use crate::shadow::{Block, Shadow};

/// An error says what is wrong.
pub(super) type Check = Result<(), String>;

/// An arena of this size always has a free chunk if no block is allocated.
const ROOMY: usize = 4096;

/// A shared heap, its expected state, and the calls so far.
pub struct Driver<H: SyncHeap> {
    pub(super) heap: H,
    pub(super) pieces: Rc<Pieces>,
    pub(super) limits: Limits,
    pub(super) state: RefCell<State>,
    script: Script,
    /// The index of the next step.
    next: Cell<usize>,
    /// Whether other threads run at the interruption points of the current call, from the lowest bit on.
    turns: Cell<u8>,
}

/// The expected state of the heap.
pub(super) struct State {
    pub shadow: Shadow,
    /// The blocks, except those that a call uses. Blocks of no bytes are not in the shadow.
    pub blocks: Vec<Block>,
    /// The calls in progress, the latest one last.
    pub calls: Vec<Running>,
    pub steps: usize,
    trace: String,
    /// An error found while a call was interrupted.
    wrong: Option<String>,
}

/// A call in progress.
pub(super) struct Running {
    thread: usize,
    /// The largest number of bytes that the call may have allocated, or not yet freed, without the shadow's knowledge.
    pub bytes: usize,
}

impl<H: SyncHeap + 'static> Driver<H> {
    /// Creates a driver for a heap without arenas.
    pub fn new(script: &Script) -> Self {
        let limits = Limits::of::<H::Config>();
        let pieces = Rc::new(Pieces::new(&script.setup));
        let state = State {
            shadow: Shadow::new(limits),
            blocks: Vec::new(),
            calls: Vec::new(),
            steps: 0,
            trace: String::new(),
            wrong: None,
        };
        Self {
            heap: H::new(pieces.clone()),
            pieces,
            limits,
            state: RefCell::new(state),
            script: script.clone(),
            next: Cell::new(0),
            turns: Cell::new(0),
        }
    }

    /// Runs all steps, and cleans up afterwards. An error says what is wrong.
    pub fn run(self: &Rc<Self>) -> Check {
        let driver = self.clone();
        turns::with(Rc::new(move || driver.let_in()), || {
            self.step(0, Op::Claim)?;
            while self.take_step()? {}
            self.finish()
        })
    }

    /// Returns the number of calls of the heap so far.
    pub fn calls_made(&self) -> usize {
        self.state.borrow().steps
    }

    /// Returns the calls so far, for printing.
    pub fn calls(&self) -> String {
        self.state.borrow().trace.clone()
    }

    /// Lets other threads do the next step, if the script says so.
    fn let_in(&self) {
        let turns = self.turns.get();
        self.turns.set(turns >> 1);
        let wrong = self.state.borrow().wrong.is_some();
        if turns & 1 == 0 || wrong {
            return;
        }
        let turns = self.turns.replace(0);
        if let Err(message) = self.take_step() {
            self.state.borrow_mut().wrong = Some(message);
        }
        self.turns.set(turns);
    }

    /// Inspects the heap without letting other threads run.
    pub(super) fn alone<T>(&self, look: impl FnOnce(&H) -> T) -> T {
        let turns = self.turns.replace(0);
        let seen = look(&self.heap);
        self.turns.set(turns);
        seen
    }

    /// Runs the next step, if there is one and a thread that can do it. Returns whether there was.
    fn take_step(&self) -> Result<bool, String> {
        let Some(Step { thread, turns, op }) = self.script.steps.get(self.next.get()).copied()
        else {
            return Ok(false);
        };
        let threads = self.script.setup.threads;
        let state = self.state.borrow();
        let is_idle = |thread: &usize| state.calls.iter().all(|call| call.thread != *thread);
        let idle = (thread..thread + threads).map(|number| number % threads).find(is_idle);
        drop(state);
        let Some(thread) = idle else { return Ok(false) };
        self.next.set(self.next.get() + 1);
        self.turns.set(turns);
        let result = self.step(thread, op);
        self.turns.set(0);
        result.map(|()| true)
    }

    fn step(&self, thread: usize, op: Op) -> Check {
        match op {
            Op::Allocate { size, align, zeroed } => {
                self.allocate(thread, nearest_layout(size, align), zeroed).map(drop)
            }
            Op::Deallocate { pick } => match self.take(pick) {
                Some(block) => self.deallocate(thread, block?),
                None => Ok(()),
            },
            Op::Grow { pick, more, align, zeroed } => match self.take(pick) {
                Some(block) => self.grow(thread, block?, more, align, zeroed),
                None => Ok(()),
            },
            Op::Shrink { pick, less, align } => match self.take(pick) {
                Some(block) => self.shrink(thread, block?, less, align),
                None => Ok(()),
            },
            Op::Claim => self.claim(thread),
            Op::Flush => self.flush(thread),
        }
    }

    /// Takes a block for a call that uses it, after checking its contents.
    fn take(&self, pick: Pick) -> Option<Result<Block, String>> {
        let mut state = self.state.borrow_mut();
        let index = pick.of(state.blocks.len())?;
        let block = state.blocks.swap_remove(index);
        if block.layout.size() == 0 {
            return Some(Ok(block));
        }
        let index = state.shadow.index_of(block.ptr);
        Some(state.shadow.remove(index))
    }

    /// Makes a block available to others. Its contents must be unchanged up to byte `kept`, and zero from byte `clean`
    /// on.
    pub(super) fn put(&self, block: Block, kept: usize, clean: usize) -> Check {
        let mut state = self.state.borrow_mut();
        state.blocks.push(block);
        if block.layout.size() == 0 {
            let aligned = block.ptr.addr().get() % block.layout.align() == 0;
            return if aligned { Ok(()) } else { Err(format!("b{} is misaligned", block.id)) };
        }
        state.shadow.put(block, kept, clean, &self.pieces.given())
    }

    /// Returns the number of a block that is about to be allocated.
    pub(super) fn number(&self) -> usize {
        self.state.borrow_mut().shadow.number()
    }

    /// Makes a call of the heap, which other threads may interrupt. Checks the heap afterwards.
    ///
    /// For `bytes`, see [`Running`]. `then` gets the result of the call, and whether it was not interrupted.
    pub(super) fn call<T>(
        &self,
        thread: usize,
        call: Call,
        bytes: usize,
        make: impl FnOnce() -> T,
        then: impl FnOnce(T, bool) -> Check,
    ) -> Check {
        let next = self.next.get();
        let depth = {
            let mut state = self.state.borrow_mut();
            state.calls.push(Running { thread, bytes });
            state.steps += 1;
            state.calls.len() - 1
        };
        self.note(depth, format_args!("t{thread}: {call};"));
        let result = make();
        self.turns.set(0);
        self.state.borrow_mut().calls.pop();
        let alone = self.next.get() == next;
        if !alone {
            self.note(depth, format_args!("t{thread}: // {call} has returned"));
        }
        if let Some(message) = self.state.borrow_mut().wrong.take() {
            return Err(message);
        }
        then(result, alone)?;
        self.settle()
    }

    /// Adds a line to the trace. If `TALLOC_FUZZ_TRACE` is set, prints it, too.
    fn note(&self, depth: usize, line: std::fmt::Arguments<'_>) {
        static LIVE: std::sync::LazyLock<bool> =
            std::sync::LazyLock::new(|| std::env::var_os("TALLOC_FUZZ_TRACE").is_some());
        let indent = 4 * (depth + 1);
        if *LIVE {
            eprintln!("{:indent$}{line}", "");
        }
        let trace = &mut self.state.borrow_mut().trace;
        writeln!(trace, "{:indent$}{line}", "").expect("writing to a string cannot fail");
    }

    /// Frees all blocks, allocates each free chunk in one piece, and frees these blocks.
    fn finish(&self) -> Check {
        self.check_memory()?;
        self.deallocate_all()?;
        let chunks = self.check_coalesced()?;
        for _ in 0..chunks {
            let size = self.limits.largest_in(self.report()?.largest_free_bytes);
            // A chunk may be too small for a block.
            if size > 0 && !self.allocate(0, nearest_layout(size, 1), true)? {
                return Err("cannot allocate the largest free chunk".into());
            }
        }
        let report = self.report()?;
        if report.free_bytes > chunks * (self.limits.min_block - GRANULE) {
            return Err(format!("not all free memory could be allocated: {report:?}"));
        }
        self.check_memory()?;
        self.deallocate_all()?;
        self.check_coalesced().map(drop)
    }

    /// Frees all blocks, by all threads in turn.
    fn deallocate_all(&self) -> Check {
        let threads = self.script.setup.threads;
        let mut thread = 0;
        while let Some(block) = self.take(Pick(7)) {
            self.deallocate(thread, block?)?;
            thread = (thread + 1) % threads;
        }
        self.flush(0)
    }

    /// Checks that each arena has a single free chunk, unless it is too small. Returns the number of free chunks.
    fn check_coalesced(&self) -> Result<usize, String> {
        let report = self.report()?;
        let arenas = self.pieces.given();
        let roomy = arenas.iter().filter(|arena| arena.size() >= ROOMY).count();
        if (roomy..=arenas.len()).contains(&report.free_chunks) {
            Ok(report.free_chunks)
        } else {
            Err(format!("nothing is allocated, but there are several free chunks: {report:?}"))
        }
    }
}

/// Creates the block of a layout, at an address that the caller was given.
pub(super) fn block(id: usize, ptr: NonNull<u8>, layout: Layout) -> Block {
    Block { id, ptr, layout }
}
