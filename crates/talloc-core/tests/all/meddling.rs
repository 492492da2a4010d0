//! A source that calls random methods of the heap, even in nested calls, replaces itself, and panics. The heap is
//! consistent after each step, and blocks keep their contents.

use std::alloc::Layout;
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use crate::common::{layout, memory, part};
use fastrand::Rng;
use talloc_core::{
    Align, AllocError, Checked, Compact, Config, Kind, Kinds, Memory, Micro, OneArena, OwnedTalloc,
    QuickLists, RealTime, SizeBins, Source, Span, Talloc, Tiny, Unchecked,
};

const STEPS: usize = if cfg!(miri) { 100 } else { 6000 };
const SEEDS: u64 = if cfg!(miri) { 1 } else { 4 };

/// The memory that the heap and the program share, in bytes.
const MEMORY: usize = 192 << 10;

/// The largest depth of nested calls.
const DEPTH: usize = 4;

/// Parameters with many arenas, wide bins, and large quick lists.
struct Greedy;

impl Config for Greedy {
    type Index = u16;
    type Bins = SizeBins<2, 0, 0>;
    type Quick = QuickLists<200, { usize::MAX }>;
    const LAST_RESORT: usize = usize::MAX;
    type Checks = Unchecked;
}

/// The panic of the source.
struct Bomb;

/// A block whose bytes all have the same value.
struct Block {
    ptr: NonNull<u8>,
    layout: Layout,
    tag: u8,
}

impl Block {
    fn new(ptr: NonNull<u8>, layout: Layout, tag: u8) -> Self {
        assert_eq!(ptr.addr().get() % layout.align(), 0);
        // SAFETY: The access is within the block.
        unsafe { ptr.write_bytes(tag, layout.size()) };
        Self { ptr, layout, tag }
    }

    fn check(&self, bytes: usize) {
        // SAFETY: The access is within the block, whose bytes are initialised.
        let content = unsafe { NonNull::slice_from_raw_parts(self.ptr, bytes).as_ref() };
        assert!(content.iter().all(|byte| *byte == self.tag), "a block has been overwritten");
    }
}

/// The state of the program apart from the heap.
struct State {
    random: Rng,
    blocks: Vec<Block>,
    /// Memory outside the heap, in disjoint pieces of one allocation.
    pool: Vec<Span>,
    depth: usize,
    /// Whether the source does anything, and whether it may panic.
    meddles: bool,
    may_panic: bool,
    /// The numbers of calls of the source, and of panics.
    calls: usize,
    panics: usize,
}

std::thread_local! {
    static STATE: RefCell<State> = const {
        RefCell::new(State {
            random: Rng::with_seed(0),
            blocks: Vec::new(),
            pool: Vec::new(),
            depth: 0,
            meddles: false,
            may_panic: false,
            calls: 0,
            panics: 0,
        })
    };
}

fn state<T>(f: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(f)
}

/// A random number below `end`.
fn below(end: usize) -> usize {
    state(|state| state.random.usize(0..end))
}

fn random_layout() -> Layout {
    let most = 1 << below(13);
    layout(1 + below(most), 1 << below(9))
}

fn random_kinds() -> Kinds {
    let kind = Kind::new(below(3) as u8);
    match below(3) {
        0 => Kinds::ANY,
        1 => Kinds::only(kind),
        _ => Kinds::prefer(kind),
    }
}

/// Removes a block from the program, so that nested calls do not use it.
fn take_block() -> Option<Block> {
    state(|state| {
        let count = state.blocks.len();
        (count > 0).then(|| state.blocks.swap_remove(state.random.usize(0..count)))
    })
}

fn keep_block(block: Block) {
    state(|state| state.blocks.push(block));
}

/// Removes a random piece from the pool that `is_wanted` accepts.
fn take_piece(is_wanted: impl Fn(Span) -> bool) -> Option<Span> {
    state(|state| {
        state.random.shuffle(&mut state.pool);
        let place = state.pool.iter().position(|piece| is_wanted(*piece))?;
        Some(state.pool.swap_remove(place))
    })
}

fn keep_pieces(pieces: impl IntoIterator<Item = Span>) {
    state(|state| state.pool.extend(pieces.into_iter().filter(|piece| piece.is_sized())));
}

/// Cuts a random part off a piece, at its end or its start. The rest goes to the pool.
fn cut(piece: Span, at_end: bool) -> Span {
    let left = if below(2) == 0 { 0 } else { below(piece.size()) };
    let cut = if at_end { piece.truncate(left, 0) } else { piece.truncate(0, left) };
    let (low, high) = piece.except(cut);
    keep_pieces([low, high]);
    cut
}

/// Returns the properties of a piece's memory, which may be cleared first.
fn describe(piece: Span) -> Memory {
    let mut memory = Memory::empty();
    if below(2) == 0 {
        memory |= Memory::RECLAIMABLE;
    }
    if let (Some(start), 0) = (piece.get_base_ptr(), below(2)) {
        // SAFETY: Nothing else uses the piece.
        unsafe { start.write_bytes(0, piece.size()) };
        memory |= Memory::ZEROED;
    }
    memory
}

fn random_arena<C: Config, S: Source<C>>(heap: &Talloc<C, S>) -> Option<Span> {
    let arenas: Vec<_> = heap.arenas().collect();
    (!arenas.is_empty()).then(|| arenas[below(arenas.len())])
}

/// A source with these properties.
struct Meddler<const EXTENDS: bool, const AMPLE: bool, const RECLAIMS: bool> {
    /// Makes sources distinguishable.
    _number: usize,
}

impl<const E: bool, const A: bool, const R: bool> Meddler<E, A, R> {
    fn new() -> Self {
        Self { _number: state(|state| state.calls) }
    }

    /// Does a few random things, and sometimes panics.
    fn meddle<C: Config>(heap: &mut Talloc<C, Self>) {
        let (meddles, depth) = state(|state| {
            state.calls += 1;
            (state.meddles, state.depth)
        });
        heap.verify().unwrap();
        if !meddles || depth >= DEPTH {
            return;
        }
        explode(64);
        *heap.source_mut() = Self::new();
        for _ in 0..below(3) {
            act(heap);
            explode(8);
        }
    }
}

/// Panics with a probability of `times` in 256.
fn explode(times: u8) {
    let explodes = state(|state| {
        let explodes = state.may_panic && state.random.u8(..) < times;
        state.panics += usize::from(explodes);
        explodes
    });
    if explodes {
        // This prints no message.
        resume_unwind(Box::new(Bomb));
    }
}

impl<C: Config, const EXTENDS: bool, const AMPLE: bool, const RECLAIMS: bool> Source<C>
    for Meddler<EXTENDS, AMPLE, RECLAIMS>
{
    const EXTENDS: bool = EXTENDS;
    const IS_AMPLE: bool = AMPLE;
    const RECLAIMS: bool = RECLAIMS;

    fn acquire(heap: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
        Self::meddle(heap);
        // The answer does not depend on what it has done. It fails at some point, so requests end.
        if below(4) == 0 { Err(AllocError) } else { Ok(()) }
    }

    fn acquire_in(heap: &mut Talloc<C, Self>, _: Kinds, layout: Layout) -> Result<(), AllocError> {
        Self::acquire(heap, layout)
    }

    fn tend(heap: &mut Talloc<C, Self>) {
        Self::meddle(heap);
    }

    fn release(heap: &mut Talloc<C, Self>) {
        Self::meddle(heap);
    }
}

/// Makes a nested call. Returns the panic of the source, if there is one.
fn deeper<T>(call: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    state(|state| state.depth += 1);
    let result = catch_unwind(AssertUnwindSafe(call));
    state(|state| state.depth -= 1);
    if let Err(panic) = result {
        if panic.is::<Bomb>() {
            return Err(panic);
        }
        resume_unwind(panic);
    }
    result
}

/// Calls a random method of the heap that may call the source.
fn act<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    match below(28) {
        0..5 => allocate(heap),
        5..9 => free(heap),
        9..12 => resize(heap),
        12..15 => resize_in_place(heap),
        15 => again(deeper(|| heap.trim())),
        16 => heap.flush(),
        17 => batch(heap),
        18 => look_at(heap),
        19 => discard(heap),
        20..23 => claim(heap),
        23 => truncate(heap),
        24 => extend(heap),
        25 => merge(heap),
        26 => release(heap),
        _ => raise(heap),
    }
    heap.verify().unwrap();
}

/// Resumes the panic of the source if this call is nested.
fn again<T>(result: Result<T, Box<dyn Any + Send>>) {
    if let Err(panic) = result {
        if state(|state| state.depth) > 0 {
            resume_unwind(panic);
        }
    }
}

fn allocate<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    let (layout, kinds, way) = (random_layout(), random_kinds(), below(5));
    // SAFETY: `malloc` and `malloc_zeroed` have no preconditions.
    let result = deeper(|| unsafe {
        match way {
            0 => heap.malloc_zeroed(layout),
            1 => heap.of_kinds(kinds).malloc(layout),
            2 => heap.backend().malloc_from_arenas(layout).map(|(block, _)| block),
            _ => heap.malloc(layout),
        }
    });
    if let Ok(Ok(ptr)) = &result {
        if way == 0 {
            Block { ptr: *ptr, layout, tag: 0 }.check(layout.size());
        }
        keep_block(Block::new(*ptr, layout, below(256) as u8));
    }
    again(result);
}

fn free<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    let Some(block) = take_block() else { return };
    block.check(block.layout.size());
    // SAFETY: The block is freed once, with its layout. If the source panics, the block is already free.
    again(deeper(|| unsafe { heap.free(block.ptr, block.layout) }));
}

fn resize<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    let Some(block) = take_block() else { return };
    let (old, kinds, way) = (block.layout, random_kinds(), below(3));
    let size = 1 + below(2 * old.size());
    // SAFETY: The block has this layout.
    let result = deeper(|| unsafe {
        match way {
            0 => heap.of_kinds(kinds).realloc(block.ptr, old, size),
            1 if size >= old.size() => heap.grow(block.ptr, old, size),
            _ => heap.realloc(block.ptr, old, size),
        }
    });
    match &result {
        Ok(Ok(ptr)) => {
            Block { ptr: *ptr, ..block }.check(size.min(old.size()));
            keep_block(Block::new(*ptr, layout(size, old.align()), block.tag));
        }
        // The block is unchanged after a failure or a panic.
        _ => {
            block.check(old.size());
            keep_block(block);
        }
    }
    again(result);
}

fn resize_in_place<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    let Some(mut block) = take_block() else { return };
    let size = 1 + below(2 * block.layout.size());
    let kept = size.min(block.layout.size());
    // SAFETY: The block has this layout.
    let result = deeper(|| unsafe {
        if size > block.layout.size() {
            return heap.grow_in_place(block.ptr, block.layout, size).is_ok();
        }
        heap.shrink(block.ptr, block.layout, size);
        true
    });
    // If the source panics, the block is unchanged.
    if matches!(&result, Ok(true)) {
        block.check(kept);
        block = Block::new(block.ptr, layout(size, block.layout.align()), block.tag);
    }
    keep_block(block);
    again(result);
}

fn batch<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    let (size, most) = (1 + below(300), below(20));
    // SAFETY: The memory outlives the batch. The blocks are freed once, with their size.
    let result = deeper(|| unsafe {
        let batch = heap.backend().malloc_batch(size, most);
        heap.inspect().verify_batch(size, &batch).unwrap();
        heap.backend().free_batch(size, batch);
    });
    again(result);
}

/// Calls all methods that only inspect the heap.
fn look_at<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    let free: usize = heap.inspect().free_chunks().map(|chunk| chunk.span.size()).sum();
    let statistics = heap.inspect().statistics();
    assert_eq!(free, statistics.free_bytes);
    let view = heap.inspect();
    assert!(view.memory_map().all(|chunk| view.kind_at(chunk.span.base().unwrap()).is_some()));
    let least = heap.get_allocated_span();
    assert!(heap.get_arena().contains_span(least));
    assert!(format!("{heap:?}").contains("Talloc"));
}

fn discard<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    let (unit, least) = (Align::new(1 << below(12)).unwrap(), below(2000));
    // SAFETY: The memory stays as it is, and is zero if the answer says so.
    let result = deeper(|| unsafe {
        heap.arenas_mut().discard(unit, least, |piece| {
            explode(8);
            let start = piece.get_base_ptr().unwrap();
            let (byte, memory) =
                if below(2) == 0 { (0, Memory::ZEROED) } else { (0xa5, Memory::empty()) };
            start.write_bytes(byte, piece.size());
            memory
        })
    });
    again(result);
}

fn claim<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    // The heap refuses overlapping memory, whatever its properties.
    if let Some(arena) = random_arena(heap) {
        let lie = arena.truncate(below(arena.size()), 0);
        // SAFETY: The heap refuses this span.
        let claimed = unsafe { heap.arenas_mut().claim_as(lie, Memory::ZEROED) };
        assert!(claimed.is_err() || lie.is_empty());
    }
    let Some(piece) = take_piece(|_| true) else { return };
    let piece = cut(piece, below(2) == 0);
    let memory = describe(piece);
    let kind = Kind::new(if below(2) == 0 { 0 } else { below(3) as u8 });
    // SAFETY: Nothing else uses the memory, and `memory` describes it correctly.
    if unsafe { heap.arenas_mut().claim_of_kind(kind, piece, memory) }.is_err() {
        keep_pieces([piece]);
    }
}

fn truncate<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    let Some(old) = random_arena(heap) else { return };
    let mut arena = heap.arena(old).unwrap();
    let least = arena.allocated_span();
    let new = if least.is_sized() && below(2) == 0 {
        least
    } else {
        old.truncate(below(old.size()), below(old.size()))
    };
    if arena.truncate(new).is_ok() {
        let new = arena.span();
        keep_pieces(if new.is_sized() { old.except(new).into() } else { [old, Span::empty()] });
    }
}

fn extend<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    let Some(old) = random_arena(heap) else { return };
    let Some(piece) = take_piece(|piece| touches(old, piece)) else { return };
    let piece = cut(piece, piece.acme() == old.base());
    if !touches(old, piece) {
        return keep_pieces([piece]);
    }
    let memory = describe(piece);
    let new = old.fit_over(piece);
    // SAFETY: Nothing else uses the memory, `memory` describes it correctly, and it is part of the arena's allocation.
    if unsafe { heap.arena(old).unwrap().extend(new, memory) }.is_err() {
        keep_pieces([piece]);
    }
}

fn touches(arena: Span, piece: Span) -> bool {
    piece.is_sized() && (piece.acme() == arena.base() || arena.acme() == piece.base())
}

fn raise<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    let Some(old) = random_arena(heap) else { return };
    let Some(piece) = take_piece(|piece| old.acme() == piece.base()) else { return };
    let piece = cut(piece, false);
    if old.acme() != piece.base() {
        return keep_pieces([piece]);
    }
    let memory = describe(piece);
    // SAFETY: Nothing else uses the memory, `memory` describes it correctly, and it is part of the arena's allocation.
    if unsafe { heap.arena(old).unwrap().raise(piece.size(), memory) }.is_err() {
        keep_pieces([piece]);
    }
}

fn merge<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    let arenas: Vec<_> = heap.arenas().collect();
    let pairs = arenas.iter().flat_map(|low| arenas.iter().map(move |high| (*low, *high)));
    let touching: Vec<_> = pairs.filter(|(low, high)| low.acme() == high.base()).collect();
    if touching.is_empty() {
        return;
    }
    let (low, high) = touching[below(touching.len())];
    // SAFETY: Both arenas are in the same allocation.
    let _ = unsafe { heap.arena(low).unwrap().merge(high) };
}

fn release<C: Config, const E: bool, const A: bool, const R: bool>(
    heap: &mut Talloc<C, Meddler<E, A, R>>,
) {
    let given = match random_arena(heap) {
        Some(arena) if below(2) == 0 => heap.arena(arena).unwrap().release().map(|()| arena).ok(),
        but => heap.arenas_mut().reclaim_arena(but.unwrap_or(Span::empty())),
    };
    keep_pieces(given);
}

/// Frees all blocks and takes back all memory.
fn end<C: Config, const E: bool, const A: bool, const R: bool>(
    mut heap: OwnedTalloc<C, Meddler<E, A, R>>,
) {
    state(|state| state.meddles = false);
    while let Some(block) = take_block() {
        block.check(block.layout.size());
        // SAFETY: The block is freed once, with its layout.
        unsafe { heap.free(block.ptr, block.layout) };
    }
    heap.flush();
    let report = heap.verify().unwrap();
    assert_eq!(report.used_bytes, 0, "{report:?}");
    // An arena in which no block fits has no free chunk.
    assert!(report.free_chunks <= report.arenas, "{report:?}");
    assert_eq!(report.free_bytes + report.overhead_bytes, report.arena_bytes, "{report:?}");
    for arena in heap.arenas().collect::<Vec<_>>() {
        heap.arena(arena).unwrap().release().unwrap();
        keep_pieces([arena]);
    }
    let left: usize = state(|state| state.pool.drain(..).map(Span::size).sum());
    assert_eq!(left, MEMORY, "memory is lost or duplicated");
}

fn run<C: Config, const E: bool, const A: bool, const R: bool>(may_panic: bool) {
    let whole = memory(MEMORY);
    let (mut calls, mut panics) = (0, 0);
    for seed in 0..SEEDS {
        state(|state| {
            state.random.seed(seed);
            (state.meddles, state.may_panic) = (true, may_panic);
            (state.calls, state.panics, state.depth) = (0, 0, 0);
        });
        let mut heap = Talloc::<C, Meddler<E, A, R>>::with_source(Meddler::new());
        let first = part(whole, 0, 8 << 10);
        keep_pieces([whole.except(first).1]);
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.claim(first) }.unwrap();
        for _ in 0..STEPS {
            act(&mut *heap);
        }
        end(heap);
        let (more_calls, more_panics) = state(|state| (state.calls, state.panics));
        (calls, panics) = (calls + more_calls, panics + more_panics);
    }
    println!("{calls} calls of the source, {panics} panics");
    assert!(calls > STEPS / 20, "{calls} calls of the source");
    assert!(!may_panic || panics > calls / 1000, "{panics} panics in {calls} calls");
}

fn with_and_without_panics<C: Config, const E: bool, const A: bool, const R: bool>() {
    run::<C, E, A, R>(false);
    run::<C, E, A, R>(true);
}

#[test]
fn of_a_compact_heap() {
    with_and_without_panics::<Compact, false, false, false>();
    with_and_without_panics::<Compact, true, true, true>();
}

#[test]
fn of_a_heap_in_real_time() {
    with_and_without_panics::<RealTime, true, false, true>();
}

#[test]
fn of_small_heaps() {
    with_and_without_panics::<Micro, false, true, true>();
    with_and_without_panics::<Tiny, true, false, true>();
}

#[test]
fn of_a_heap_with_greedy_lists() {
    with_and_without_panics::<Greedy, true, false, true>();
}

#[test]
fn of_checked_heaps() {
    with_and_without_panics::<Checked<Compact>, true, false, true>();
    with_and_without_panics::<Checked<OneArena<Greedy>>, false, false, true>();
}
