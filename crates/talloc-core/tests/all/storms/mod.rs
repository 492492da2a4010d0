//! Sources that fail regularly, and lie in between.

mod storm;

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::common::{layout, memory, part};
use fastrand::Rng;
use storm::{Act, GIFTS, LIES, Storm, free};
use talloc_core::{
    AllocError, Compact, Config, Micro, OwnedTalloc, RealTime, Report, SOURCE_TRIES, Span, Talloc,
};

/// The initial size of the first arena, and the size of each further one, in bytes.
const PAGE: usize = 4096;

/// A block and the value of its bytes.
struct Block(NonNull<u8>, Layout, u8);

impl Block {
    fn check(&self) {
        let Self(block, layout, content) = *self;
        // SAFETY: The access is within the block, whose bytes are initialised.
        assert!((0..layout.size()).all(|byte| unsafe { block.add(byte).read() } == content));
    }
}

/// A heap whose source fails regularly, and its blocks.
struct Ship<C: Config> {
    heap: OwnedTalloc<C, Storm>,
    blocks: Vec<Block>,
    random: Rng,
    failures: usize,
}

impl<C: Config> Ship<C> {
    fn new(fails: usize, acts: &[Act], memory: Span, seed: u64) -> Self {
        let (room, spare) = memory.split_at(memory.base().unwrap() + memory.size() / 2);
        let arena = part(room, room.size() / 2, PAGE);
        let mut heap = Talloc::with_source(Storm {
            fails,
            acts: acts.to_vec(),
            room: room.truncate(0, 256),
            spare: spare.truncate(256, 0),
            kept: Vec::new(),
            given: arena.size(),
            calls: 0,
            tries: 0,
            random: Rng::with_seed(seed),
        });
        // SAFETY: The test keeps the memory as long as the heap.
        unsafe { heap.init(arena) };
        Self { heap, blocks: Vec::new(), random: Rng::with_seed(!seed), failures: 0 }
    }

    /// Makes a call that may need memory. If it fails, the heap must be unchanged.
    fn attempt<T>(
        &mut self,
        operation: impl FnOnce(&mut Talloc<C, Storm>) -> Result<T, AllocError>,
    ) -> Option<T> {
        let used = |heap: &Talloc<C, Storm>| {
            let kept: usize =
                heap.source().kept.iter().map(|(_, kept)| kept.size().next_multiple_of(8)).sum();
            heap.verify().unwrap().used_bytes - kept
        };
        let before = used(&self.heap);
        self.heap.source_mut().tries = 0;
        let result = operation(&mut self.heap);
        let source = self.heap.source();
        assert!(source.tries <= SOURCE_TRIES.min(source.fails), "{} tries", source.tries);
        if result.is_err() {
            self.failures += 1;
            assert_eq!(used(&self.heap), before);
        }
        result.ok()
    }

    fn allocate(&mut self, most: usize) {
        let layout = layout(self.random.usize(16..most), 1 << self.random.u32(0..9));
        let (zeroed, content) = (self.random.bool(), self.random.u8(1..));
        // SAFETY: `malloc` and `malloc_zeroed` have no preconditions.
        let block = self.attempt(|heap| unsafe {
            if zeroed { heap.malloc_zeroed(layout) } else { heap.malloc(layout) }
        });
        let Some(block) = block else { return };
        if zeroed {
            Block(block, layout, 0).check();
        }
        // SAFETY: The access is within the block.
        unsafe { block.write_bytes(content, layout.size()) };
        if self.random.u8(0..4) == 0 {
            self.heap.source_mut().kept.push((block, layout));
        } else {
            self.blocks.push(Block(block, layout, content));
        }
    }

    fn grow(&mut self, by: usize) {
        let Some(Block(block, old, content)) = self.take() else { return };
        let new = layout(old.size() + by, old.align());
        // SAFETY: The block has this layout.
        let grown = self.attempt(|heap| unsafe { heap.grow(block, old, new.size()) });
        Block(grown.unwrap_or(block), old, content).check();
        let block = match grown {
            // SAFETY: The access is within the block.
            Some(grown) => unsafe {
                grown.write_bytes(content, new.size());
                Block(grown, new, content)
            },
            None => Block(block, old, content),
        };
        self.blocks.push(block);
    }

    fn free(&mut self) {
        let Some(block) = self.take() else { return };
        block.check();
        // SAFETY: The block has this layout, and is freed once.
        unsafe { self.heap.free(block.0, block.1) };
    }

    fn take(&mut self) -> Option<Block> {
        let count = self.blocks.len();
        (count > 0).then(|| self.blocks.swap_remove(self.random.usize(0..count)))
    }

    /// Makes random calls. Some requests are larger than all memory.
    fn sail(&mut self, steps: usize) {
        for _ in 0..steps {
            match self.random.u8(0..16) {
                0..7 => self.allocate(900),
                7 => self.allocate(1 << 20),
                8..10 => self.grow(40),
                10 => self.grow(2000),
                _ => self.free(),
            }
        }
    }

    /// Frees all blocks, and expects all memory to be free.
    fn land(mut self) -> (Report, usize) {
        while !self.blocks.is_empty() {
            self.free();
        }
        while !self.heap.source().kept.is_empty() {
            free(&mut self.heap);
        }
        self.heap.flush();
        let report = self.heap.verify().unwrap();
        assert_eq!(report.arena_bytes, self.heap.source().given);
        assert_eq!((report.used_bytes, report.free_chunks), (0, report.arenas));
        (report, self.failures)
    }
}

/// Runs storms with these acts, in which every call fails, every second one, and so on up to every seventh.
fn storms<C: Config>(acts: &[Act]) {
    let memory = memory(256 << 10);
    for fails in 1..=7 {
        let (mut most, mut failures) = (0, 0);
        for seed in 0..4 {
            let mut ship = Ship::<C>::new(fails, acts, memory, seed);
            ship.sail(600);
            let (report, failed) = ship.land();
            most = most.max(report.arena_bytes);
            failures += failed;
        }
        assert!(failures > 20, "{failures} of the requests failed");
        // A source that always fails provides nothing, and neither do lies.
        let gives = fails > 1 && acts.iter().any(|act| GIFTS.contains(act) && *act != Act::Free);
        assert_eq!(most > PAGE, gives, "{most}");
    }
}

fn any_config(acts: &[Act]) {
    storms::<Compact>(acts);
    storms::<RealTime>(acts);
    storms::<Micro>(acts);
}

#[test]
fn provided_memory_is_used() {
    any_config(&GIFTS);
}

#[test]
fn each_gift_alone() {
    GIFTS.iter().for_each(|act| any_config(&[*act]));
}

#[test]
fn lies_do_no_harm() {
    any_config(&LIES);
}

#[test]
fn each_lie_alone() {
    LIES.iter().for_each(|act| any_config(&[*act]));
}

#[test]
fn gifts_among_lies() {
    any_config(&[&GIFTS[..], &LIES[..]].concat());
}

/// A source that never fails and never provides memory. Each request ends nevertheless.
#[test]
fn a_source_that_never_fails_is_asked_a_bounded_number_of_times() {
    for act in LIES {
        let mut ship = Ship::<RealTime>::new(usize::MAX, &[act], memory(256 << 10), 1);
        let layout = layout(1 << 20, 8);
        for _ in 0..3 {
            // SAFETY: `malloc` has no preconditions.
            assert!(ship.attempt(|heap| unsafe { heap.malloc(layout) }).is_none());
            assert_eq!(ship.heap.source().tries, SOURCE_TRIES, "{act:?}");
        }
        ship.allocate(900);
        assert_eq!(ship.blocks.len() + ship.heap.source().kept.len(), 1);
        ship.land();
    }
}
