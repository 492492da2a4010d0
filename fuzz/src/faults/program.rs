//! A random legal program that continues after a fault.

mod operations;

use fastrand::Rng;
use talloc_core::{Config, OwnedTalloc, Span, Talloc};

use super::note;
use crate::driver::without;
use crate::heap::Limits;
use crate::ops::cursor::nearest_layout;
use crate::ops::{Mix, Op, Profile, Script, Setup};
use crate::pool::Pool;
use crate::shadow::{Block, Shadow};
use crate::supply::{Kind, Supply};

/// The size of the pool for arenas in bytes.
const POOL: usize = 192 << 10;

/// The size of another heap's arena in the pool, in bytes.
const OTHER: usize = 4 << 10;

/// The number of operations that are read from one script.
const OPS: usize = 128;

/// The number of freed blocks to remember.
const REMEMBERED: usize = 64;

/// A freed block.
#[derive(Debug, Clone, Copy)]
pub struct Freed {
    pub block: Block,
    /// The number of calls before it was freed.
    pub at: usize,
}

impl Freed {
    pub fn span(&self) -> Span {
        self.block.span()
    }
}

/// A heap in a pool of canaries, its expected contents, and the damage found.
pub struct Program<C: Config> {
    pub heap: Box<OwnedTalloc<C, Supply>>,
    pub limits: Limits,
    pub arenas: Vec<Span>,
    pub shadow: Shadow,
    pub freed: Vec<Freed>,
    pub random: Rng,
    /// The number of calls of the heap so far.
    pub calls: usize,
    /// The number of calls at the first report.
    pub reported: Option<usize>,
    /// The first damage found.
    pub damage: Option<String>,
    /// Memory on the stack.
    pub stack: *mut u8,
    /// Another heap, and its only block.
    pub other: Box<OwnedTalloc<C, Supply>>,
    pub other_block: Block,
    outside: Vec<Span>,
    ops: Vec<Op>,
    pool: Pool,
}

impl<C: Config> Program<C> {
    /// Creates a program with up to three arenas.
    pub fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let pool = Pool::new(POOL);
        let mut heap = Box::new(Talloc::with_source(Supply::new(Kind::Refuse)));
        let arenas = arenas(&mut random, &pool);
        for arena in &arenas {
            // SAFETY: The memory is in the pool, which outlives the heap. The arenas are disjoint.
            unsafe { heap.claim(*arena) }.expect("an arena of some KiB can be claimed");
        }
        let elsewhere = pool.span().truncate(0, pool.span().size() - OTHER);
        let (other, other_block) = other(elsewhere);
        let limits = Limits::of::<C>();
        Self {
            heap,
            limits,
            outside: without(pool.whole(), &[&[elsewhere], &arenas[..]].concat()),
            arenas,
            shadow: Shadow::new(limits),
            freed: Vec::new(),
            random,
            calls: 0,
            reported: None,
            damage: None,
            stack: std::ptr::null_mut(),
            other,
            other_block,
            ops: Vec::new(),
            pool,
        }
    }

    /// Runs about `calls` calls, or up to the first report.
    pub fn run(&mut self, calls: usize) {
        let end = self.calls + calls;
        while self.calls < end && self.reported.is_none() {
            let op = self.next_op();
            self.step(op);
        }
    }

    fn next_op(&mut self) -> Op {
        if self.ops.is_empty() {
            let setup = Setup {
                profile: Profile::Compact,
                size: 32 << 10,
                skew: 0,
                source: Kind::Refuse,
                max_arenas: 1,
            };
            self.ops = Script::random(setup, Mix::Heap, self.random.u64(..), OPS).ops;
        }
        self.ops.pop().expect("a script has operations")
    }

    /// Returns the index of a random block.
    pub fn any(&mut self) -> Option<usize> {
        let blocks = self.shadow.blocks().len();
        (blocks > 0).then(|| self.random.usize(..blocks))
    }

    /// Counts a call of the heap, after it has returned.
    pub fn called(&mut self) {
        self.calls += 1;
        if self.reported.is_none() && note::is_any() {
            self.reported = Some(self.calls);
        }
    }

    /// Records an error, unless there was one before.
    pub fn expect<T>(&mut self, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(message) => {
                self.damage.get_or_insert(message);
                None
            }
        }
    }

    /// Returns whether no allocated block overlaps `span`.
    pub fn is_unused(&self, span: Span) -> bool {
        !self.shadow.blocks().iter().any(|block| block.span().overlaps(span))
    }

    /// Returns whether an arena contains all of `span`.
    pub fn is_in_arena(&self, span: Span) -> bool {
        self.arenas.iter().any(|arena| arena.contains_span(span))
    }

    /// Checks the contents of all blocks, and the canaries around the arenas.
    pub fn check_contents(&mut self) {
        let checked = self.shadow.check_all();
        self.expect(checked);
        let checked = self.outside.iter().try_for_each(|gap| self.pool.check(*gap));
        self.expect(checked);
        let checked = self.other_block.check(self.other_block.layout.size());
        self.expect(checked.map_err(|error| format!("of another heap, {error}")));
    }

    /// Frees all blocks and checks their contents, unless something is reported.
    pub fn finish(&mut self) {
        self.check_contents();
        while !self.shadow.blocks().is_empty() && self.reported.is_none() {
            self.free(self.calls * 31 % self.shadow.blocks().len());
        }
        self.flush();
        if self.reported.is_none() {
            self.check_contents();
        }
    }

    /// Returns what is wrong with the heaps after all blocks are freed.
    pub fn find_trouble(&self) -> Option<Trouble> {
        if let Err(violation) = self.heap.verify().and_then(|_| self.other.verify()) {
            return Some(Trouble::Broken(format!("verify: {violation}")));
        }
        let used = self.heap.inspect().used_bytes();
        (used != 0).then(|| Trouble::Lost(format!("{used} bytes are lost")))
    }
}

/// A fault of a heap that the program does not notice.
pub enum Trouble {
    /// Some memory is neither free nor allocated.
    Lost(String),
    /// The heap does not verify.
    Broken(String),
}

/// Creates a heap with one block.
fn other<C: Config>(arena: Span) -> (Box<OwnedTalloc<C, Supply>>, Block) {
    let mut heap = Box::new(Talloc::with_source(Supply::new(Kind::Refuse)));
    let layout = nearest_layout(200, 8);
    // SAFETY: Nothing else uses this part of the pool, which outlives the heap.
    let ptr = unsafe {
        heap.claim(arena).expect("an arena of some KiB can be claimed");
        heap.malloc(layout).expect("the arena is empty")
    };
    let block = Block { id: usize::MAX / 2, ptr, layout };
    block.write(0);
    (heap, block)
}

/// Returns one to three arenas of 12 to 48 KiB, at least 2 KiB apart.
fn arenas(random: &mut Rng, pool: &Pool) -> Vec<Span> {
    let count = *random.choice(&[1, 1, 1, 2, 3]).expect("there are some");
    let all = pool.span();
    (0..count)
        .map(|index| {
            let start = OTHER + index * (56 << 10) + 64 + random.usize(..24);
            let size = random.usize(12 << 10..48 << 10);
            all.truncate(start, all.size() - start - size)
        })
        .collect()
}
