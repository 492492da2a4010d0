//! Interrupt handlers that use the heap while they interrupt a use of the same heap.

#![cfg(feature = "critical-section")]

use core::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::common::block::Block;
use crate::common::interrupts::{Counts, When, counts, depth, interrupted};
use talloc_sync::{AllocError, Compact, Config, Micro, RealTime, Source, Span, Talloc};

/// A source that extends the arena by little, within the span. It is called in a critical section, and enters a nested
/// one.
struct Room(Span);

impl<C: Config> Source<C> for Room {
    fn acquire(heap: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
        let old = heap.get_arena();
        let new = old.extend(0, 1024).fit_within(heap.source().0);
        let before = counts().handled;
        critical_section::with(|_| {
            // SAFETY: Only this heap uses the room.
            unsafe { heap.arenas_mut().try_extend(new) }.map_err(|_| AllocError)
        })?;
        assert_eq!(counts().handled, before, "interrupted while the source uses the heap");
        if new == old { Err(AllocError) } else { Ok(()) }
    }
}

type Heap<C> = talloc_sync::TallocCritical<C, Room>;

/// The initial size of the arena in bytes.
const ARENA: usize = 4 << 10;

/// A program, and the handler that interrupts it.
struct Machine<C: Config> {
    heap: Rc<Heap<C>>,
    /// Blocks that the handler keeps between interrupts.
    kept: RefCell<Vec<Block<Rc<Heap<C>>>>>,
    interrupts: Cell<usize>,
}

impl<C: Config> Machine<C> {
    /// Creates a machine whose arena is the start of `room`.
    fn new(room: Span) -> Rc<Self> {
        let mut heap = Talloc::with_source(Room(room));
        // SAFETY: Only this heap uses the room, which outlives it.
        unsafe { heap.init(room.truncate(0, room.size() - ARENA)) };
        let heap = Rc::new(Heap::new(heap));
        Rc::new(Self { heap, kept: RefCell::default(), interrupts: Cell::new(0) })
    }

    fn block(&self, size: usize, align: usize, tag: u8) -> Block<Rc<Heap<C>>> {
        let layout = Layout::from_size_align(size, align).unwrap();
        Block::new(Rc::clone(&self.heap), layout, tag).expect("there is room")
    }

    /// Makes each kind of call once, some of them in critical sections.
    fn program(&self) {
        let mut small = self.block(40, 8, 1);
        let zeros = Block::zeroed(Rc::clone(&self.heap), Layout::new::<[u64; 100]>());
        // Resizes a block in place, to the same chunk, and by moving it. The copy is made outside of critical sections.
        assert!(small.resize(36) && small.resize(30));
        assert!(small.resize(900));
        let aligned = self.block(100, 256, 2);
        let mut pair = None;
        critical_section::with(|_| {
            let before = counts().handled;
            let mut one = self.block(24, 8, 3);
            critical_section::with(|_| drop(zeros));
            let other = self.block(600, 16, 4);
            assert!(one.resize(2000));
            assert_eq!(depth(), 1, "the section has ended");
            assert_eq!(counts().handled, before, "interrupted in a critical section");
            pair = Some((one, other));
        });
        // The arena is too small for this block, so the source is called.
        let large = self.block(3000, 8, 5);
        drop((small, pair));
        let arena = self.heap.with(|heap| heap.verify().unwrap().arena_bytes);
        assert!(arena > ARENA, "the source has not been asked");
        drop(self.block(64, 8, 6));
        drop((aligned, large));
    }

    /// Allocates, resizes and frees blocks, and keeps some for later.
    fn interrupt(&self) {
        assert_eq!(depth(), 0);
        let number = self.interrupts.get();
        self.interrupts.set(number + 1);
        let mut block = self.block(20 + number % 50 * 8, 8, 7);
        let other = critical_section::with(|_| self.block(40, 32, 8));
        // Another interrupt may occur here.
        let last = self.kept.take();
        drop(other);
        let _ = block.resize(200);
        drop(last);
        self.kept.borrow_mut().push(block);
    }

    /// Runs the program, checks the heap, and frees the remaining blocks.
    fn run(room: Span, when: When, levels: usize) -> Counts {
        let machine = Self::new(room);
        let interrupted_machine = Rc::clone(&machine);
        let handler = move || interrupted_machine.interrupt();
        let counts = interrupted(when, levels, handler, || machine.program());
        assert_eq!(machine.interrupts.get(), counts.handled);
        machine.heap.with(|heap| heap.verify()).unwrap();
        machine.kept.take();
        machine.heap.with(|heap| {
            heap.flush();
            let report = heap.verify().unwrap();
            assert_eq!((report.used_bytes, report.free_chunks), (0, 1));
        });
        counts
    }
}

/// Runs `test` with memory for a machine.
fn with_room(test: impl FnOnce(Span)) {
    test(vec![0_u8; 20 << 10].as_mut_slice().into());
}

/// Requests an interrupt at each boundary of critical sections in turn.
fn one_anywhere<C: Config>() {
    with_room(|room| {
        let alone = Machine::<C>::run(room, When::At(Vec::new()), 1);
        assert!(alone.boundaries > 50 && alone.handled == 0, "{alone:?}");
        for at in 1..=alone.boundaries {
            let counts = Machine::<C>::run(room, When::At(vec![at]), 1);
            assert_eq!(counts.handled, 1, "at {at}");
        }
    });
}

/// Requests interrupts at each pair of boundaries. The second one may be in the handler.
fn two_anywhere<C: Config>() {
    with_room(|room| {
        let mut nested = 0;
        let alone = Machine::<C>::run(room, When::At(Vec::new()), 2);
        for first in 1..=alone.boundaries {
            let once = Machine::<C>::run(room, When::At(vec![first]), 2);
            for second in first + 1..=once.boundaries {
                let counts = Machine::<C>::run(room, When::At(vec![first, second]), 2);
                assert_eq!(counts.handled, 2, "at {first} and {second}");
                nested += counts.nested;
            }
        }
        assert!(nested > alone.boundaries, "{nested} handlers interrupted");
    });
}

#[test]
fn an_interrupt_comes_anywhere() {
    one_anywhere::<Compact>();
    one_anywhere::<RealTime>();
    one_anywhere::<Micro>();
}

#[test]
fn interrupts_are_interrupted_anywhere() {
    two_anywhere::<Compact>();
    two_anywhere::<RealTime>();
    two_anywhere::<Micro>();
}

#[test]
fn interrupts_come_everywhere() {
    with_room(|room| {
        for (step, levels) in (2..40).flat_map(|step| [1, 2, 3].map(|levels| (step, levels))) {
            let counts = Machine::<Micro>::run(room, When::Every(step), levels);
            assert!(counts.handled > 0, "{step}");
        }
    });
}

/// Several cores with interrupts share a heap.
#[test]
fn interrupts_come_on_several_cores() {
    type Shared = talloc_sync::TallocCritical<RealTime>;
    static HEAP: Shared = Shared::new(Talloc::with_config());

    std::thread_local!(static KEPT: RefCell<Vec<Block<&'static Shared>>> = RefCell::default());

    fn interrupt() {
        let block = Block::new(&HEAP, Layout::new::<[u64; 9]>(), 1);
        // The handler may be interrupted while it frees the old blocks.
        drop(KEPT.replace(block.into_iter().collect()));
    }

    fn core(seed: u64) -> Counts {
        let mut random = fastrand::Rng::with_seed(seed);
        let counts = interrupted(When::Every(3), 2, interrupt, || {
            let mut blocks = Vec::new();
            for _ in 0..20_000 {
                blocks.extend(Block::random(&HEAP, &mut random));
                if blocks.len() > 10 {
                    blocks.swap_remove(random.usize(..10)).resize(random.usize(1..500));
                }
            }
        });
        KEPT.take();
        counts
    }

    let memory = vec![0_u8; 64 << 10].leak();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { HEAP.with(|heap| heap.init(memory.into())) };
    std::thread::scope(|scope| {
        let cores: Vec<_> = (0..3).map(|seed| scope.spawn(move || core(seed))).collect();
        for core in cores {
            let counts = core.join().unwrap();
            assert!(counts.handled > 10_000 && counts.nested > 1000, "{counts:?}");
        }
    });
    let report = HEAP.with(|heap| heap.verify().unwrap());
    assert_eq!((report.used_bytes, report.free_chunks), (0, 1));
}
