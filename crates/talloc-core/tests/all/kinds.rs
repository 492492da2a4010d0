//! Kinds of memory: which arena serves which request.

use std::alloc::Layout;
use std::ptr::NonNull;

use crate::common::{layout, memory, part};
use talloc_core::{
    AllocError, ArenaError, Compact, Config, Kind, Kinds, Memory, Micro, OwnedTalloc, RealTime,
    Source, Span, Talloc, Tiny,
};

const KIB: usize = 1024;

const FAST: Kind = Kind::DEFAULT;
const LARGE: Kind = Kind::new(1);
const DMA: Kind = Kind::new(31);

/// Creates a heap with an arena of 16 KiB for each of these kinds, in this order.
fn heap<C: Config>(kinds: &[Kind]) -> (OwnedTalloc<C>, Vec<Span>) {
    let memory = memory(kinds.len() * 24 * KIB);
    let spans: Vec<_> =
        (0..kinds.len()).rev().map(|arena| part(memory, arena * 24 * KIB, 16 * KIB)).collect();
    let mut heap = Talloc::with_config();
    for (kind, span) in kinds.iter().zip(&spans) {
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.arenas_mut().claim_of_kind(*kind, *span, Memory::empty()) }.unwrap();
        heap.verify().unwrap();
    }
    (heap, spans)
}

fn kind_of<C: Config>(heap: &Talloc<C>, block: NonNull<u8>) -> Kind {
    heap.inspect().kind_at(block.addr().get()).unwrap()
}

/// Allocates until a request fails. Returns the kinds of the blocks.
fn fill<C: Config>(
    heap: &mut Talloc<C>,
    mut malloc: impl FnMut(&mut Talloc<C>) -> Result<NonNull<u8>, AllocError>,
) -> Vec<Kind> {
    let mut kinds = Vec::new();
    while let Ok(block) = malloc(heap) {
        kinds.push(kind_of(heap, block));
        heap.verify().unwrap();
    }
    kinds
}

fn requests_get_the_kind_they_ask_for<C: Config>() {
    let size = layout(1000, 8);
    let order = |kinds: Kinds| {
        let (mut heap, _) = heap::<C>(&[FAST, LARGE, DMA, LARGE]);
        // SAFETY: `malloc` has no preconditions.
        let mut kinds = fill(&mut heap, |heap| unsafe { heap.of_kinds(kinds).malloc(size) });
        let all = kinds.len();
        kinds.dedup();
        (kinds, all)
    };
    let (any, all) = order(Kinds::ANY);
    assert_eq!(any, [FAST, LARGE, DMA, LARGE]);
    assert!(all >= 4 * 12, "{all}");
    assert_eq!(order(Kinds::only(DMA)).0, [DMA]);
    assert_eq!(order(Kinds::only(LARGE)).0, [LARGE]);
    assert_eq!(order(Kinds::only(LARGE).or(DMA)).0, [LARGE, DMA, LARGE]);
    assert_eq!(order(Kinds::prefer(LARGE)), (vec![LARGE, FAST, DMA], all));
    assert_eq!(order(Kinds::prefer(DMA).or(LARGE)), (vec![LARGE, DMA, LARGE, FAST], all));
    assert_eq!(order(Kinds::only(Kind::new(7))), (vec![], 0));
    assert_eq!(order(Kinds::prefer(Kind::new(7))), (any, all));
}

#[test]
fn requests_get_the_kind_they_ask_for_in_any_heap() {
    requests_get_the_kind_they_ask_for::<Compact>();
    requests_get_the_kind_they_ask_for::<RealTime>();
    requests_get_the_kind_they_ask_for::<Micro>();
}

/// A freed block is not reused for another kind. A request without a kind does not get it either, as long as an earlier
/// arena has memory.
#[test]
fn cached_blocks_keep_their_kind() {
    let (mut heap, _) = heap::<Compact>(&[FAST, LARGE]);
    let size = layout(40, 8);
    // SAFETY: Each block is freed once, with its layout.
    unsafe {
        let [fast, large] = [FAST, LARGE].map(|kind| heap.of_kinds(Kinds::only(kind)).malloc(size));
        let (fast, large) = (fast.unwrap(), large.unwrap());
        for block in [fast, large] {
            heap.free(block, size);
            heap.verify().unwrap();
        }
        assert_eq!(
            heap.verify().unwrap().cached_bytes,
            40,
            "the block of the first kind is cached"
        );
        let again = heap.of_kinds(Kinds::only(LARGE)).malloc(size).unwrap();
        assert_eq!(kind_of(&heap, again), LARGE);
        assert_eq!(heap.verify().unwrap().cached_bytes, 40);
        assert_eq!(heap.of_kinds(Kinds::prefer(FAST)).malloc(size), Ok(fast));
        assert_eq!(heap.verify().unwrap().cached_bytes, 0);
        heap.free(again, size);
        for _ in 0..100 {
            let block = heap.malloc(size).unwrap();
            assert_eq!(kind_of(&heap, block), FAST, "what was claimed first is used first");
        }
    }
}

/// If requests begin in an arena of another kind, its blocks do not go to the lists.
#[test]
fn lists_are_not_filled_from_another_kind() {
    let (mut heap, _) = heap::<Compact>(&[FAST, LARGE, LARGE]);
    let size = layout(24, 8);
    // SAFETY: Each block is freed once, with its layout.
    unsafe {
        let blocks: Vec<_> = std::iter::from_fn(|| heap.malloc(size).ok()).collect();
        heap.verify().unwrap();
        let (fast, large) =
            blocks.iter().partition::<Vec<_>, _>(|block| kind_of(&heap, **block) == FAST);
        assert!(fast.len() > 500 && large.len() > 1000, "{} {}", fast.len(), large.len());
        heap.backend().free_batch(24, {
            let mut batch = talloc_core::Batch::EMPTY;
            large.iter().chain(&fast).for_each(|block| batch.push(*block));
            batch
        });
        let report = heap.verify().unwrap();
        assert_eq!(report.used_bytes, 0);
        heap.flush();
        assert_eq!(heap.verify().unwrap().free_chunks, 3);
    }
}

#[test]
fn a_block_that_moves_stays_in_its_kind() {
    let (mut heap, _) = heap::<Compact>(&[FAST, LARGE]);
    let (only, old) = (Kinds::only(LARGE), layout(100, 8));
    // SAFETY: The blocks are used with their layouts.
    unsafe {
        let block = heap.of_kinds(only).malloc(old).unwrap();
        let _wall = heap.of_kinds(only).malloc(old).unwrap();
        block.write_bytes(7, 100);
        let moved = heap.of_kinds(only).realloc(block, old, 5000).unwrap();
        assert_ne!(moved, block);
        assert_eq!(kind_of(&heap, moved), LARGE);
        assert!((0..100).all(|byte| moved.add(byte).read() == 7));
        heap.verify().unwrap();
        assert_eq!(heap.of_kinds(only).realloc(moved, layout(5000, 8), 15_000), Err(AllocError));
        assert!(
            heap.of_kinds(Kinds::prefer(LARGE)).realloc(moved, layout(5000, 8), 15_000).is_ok()
        );
        heap.verify().unwrap();
    }
}

#[test]
fn only_arenas_of_the_same_kind_are_merged() {
    let memory = memory(48 * KIB);
    let [a, b, c] = [0, 1, 2].map(|arena| part(memory, arena * 16 * KIB, 16 * KIB));
    let mut heap = Talloc::<Compact>::with_config();
    // SAFETY: The memory is leaked, is one allocation, and nothing else uses it.
    unsafe {
        for (kind, span) in [(FAST, a), (LARGE, b), (LARGE, c)] {
            heap.arenas_mut().claim_of_kind(kind, span, Memory::empty()).unwrap();
        }
        assert_eq!(heap.arena(a).and_then(|mut arena| arena.merge(b)), Err(ArenaError::OtherKind));
        heap.verify().unwrap();
        heap.arena(b).and_then(|mut arena| arena.merge(c)).unwrap();
        heap.verify().unwrap();
        let both = b.fit_over(c);
        // An arena keeps its kind.
        heap.arena(both).and_then(|mut arena| arena.truncate(both.truncate(0, 8 * KIB))).unwrap();
        heap.arena(both.truncate(0, 8 * KIB))
            .and_then(|mut arena| arena.extend(both, Memory::empty()))
            .unwrap();
        heap.arena(a).and_then(|mut arena| arena.raise(0, Memory::empty())).unwrap();
    }
    heap.verify().unwrap();
    let at = |span: Span| heap.inspect().kind_at(span.base().unwrap());
    assert_eq!([at(a), at(b), at(c)], [Some(FAST), Some(LARGE), Some(LARGE)]);
    assert_eq!(heap.inspect().kind_at(a.base().unwrap() - 1), None);
}

/// If the kind of the first arena changes, so does that of the lists.
#[test]
fn lists_follow_the_kind_of_the_first_arena() {
    let (mut heap, spans) = heap::<Compact>(&[FAST, LARGE]);
    heap.arena(spans[0]).and_then(|arena| arena.release()).unwrap();
    heap.verify().unwrap();
    let size = layout(40, 8);
    // SAFETY: The memory is leaked, and nothing else uses it. Each block is freed once, with its layout.
    unsafe {
        let block = heap.malloc(size).unwrap();
        assert_eq!(kind_of(&heap, block), LARGE);
        heap.free(block, size);
        heap.verify().unwrap();
        heap.arenas_mut().claim_of_kind(DMA, spans[0], Memory::empty()).unwrap();
        heap.verify().unwrap();
        let block = heap.malloc(size).unwrap();
        assert_eq!(kind_of(&heap, block), DMA);
        heap.free(block, size);
        heap.verify().unwrap();
        assert!(heap.of_kinds(Kinds::only(FAST)).malloc(size).is_err());
    }
}

/// A source that provides memory of the requested kind, or of the default one.
struct Board(Span);

impl<C: Config> Source<C> for Board {
    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
        Self::acquire_in(heap, Kinds::ANY, layout)
    }

    fn acquire_in(heap: &mut Talloc<C, Self>, kinds: Kinds, _: Layout) -> Result<(), AllocError> {
        let kind =
            [FAST, LARGE].into_iter().find(|kind| kinds.contains(*kind)).ok_or(AllocError)?;
        let rest = heap.source().0;
        let (span, rest) = rest.split_at(rest.base().ok_or(AllocError)? + 8 * KIB);
        heap.source_mut().0 = rest;
        // SAFETY: Each part of the memory is claimed once.
        unsafe { heap.arenas_mut().claim_of_kind(kind, span, Memory::empty()) }
            .map_err(|_| AllocError)
    }
}

#[test]
fn a_source_is_asked_for_a_kind() {
    let mut heap = Talloc::<Compact, _>::with_source(Board(memory(40 * KIB)));
    let size = layout(3000, 8);
    let mut kinds = |kinds| {
        // SAFETY: `malloc` has no preconditions.
        let block = unsafe { heap.of_kinds(kinds).malloc(size) };
        heap.verify().unwrap();
        block.map(|block| heap.inspect().kind_at(block.addr().get()).unwrap())
    };
    assert_eq!(kinds(Kinds::only(LARGE)), Ok(LARGE));
    assert_eq!(kinds(Kinds::only(DMA)), Err(AllocError));
    assert_eq!(kinds(Kinds::only(FAST)), Ok(FAST));
    assert_eq!(kinds(Kinds::prefer(DMA)), Ok(LARGE));
}

/// A source that does not know kinds is not asked for one, because its memory would not help.
#[test]
fn a_plain_source_is_not_asked_for_a_kind() {
    fn never(_: &mut Talloc, _: Layout) -> Result<(), AllocError> {
        panic!("the source must not be asked")
    }
    let mut heap = Talloc::with_oom_handler(never);
    // SAFETY: `malloc` has no preconditions.
    assert!(unsafe { heap.of_kinds(Kinds::only(DMA)).malloc(layout(8, 8)) }.is_err());
}

#[test]
fn one_arena_has_a_kind_too() {
    let mut heap = Talloc::<Tiny>::with_config();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe {
        heap.arenas_mut().claim_of_kind(DMA, memory(4096), Memory::empty()).unwrap();
        let block = heap.of_kinds(Kinds::only(DMA)).malloc(layout(100, 8)).unwrap();
        assert_eq!(kind_of(&heap, block), DMA);
        assert!(heap.of_kinds(Kinds::only(FAST)).malloc(layout(100, 8)).is_err());
        assert!(heap.of_kinds(Kinds::prefer(FAST)).malloc(layout(100, 8)).is_ok());
    }
    heap.verify().unwrap();
}

#[test]
#[should_panic(expected = "the number of a kind is below 32")]
fn kinds_are_numbered_below_32() {
    let _ = Kind::new(Kind::COUNT);
}

/// The lists keep the kind of the first arena after it is released.
#[test]
fn lists_serve_a_heap_whose_first_arena_is_gone() {
    let (mut heap, spans) = heap::<Compact>(&[LARGE, LARGE]);
    heap.arena(spans[0]).and_then(|arena| arena.release()).unwrap();
    let size = layout(40, 8);
    // SAFETY: The block is freed once, with its layout.
    unsafe {
        let block = heap.malloc(size).unwrap();
        heap.free(block, size);
    }
    assert_eq!(heap.verify().unwrap().cached_bytes, 40);
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.arenas_mut().claim_of_kind(FAST, spans[0], Memory::empty()) }.unwrap();
    assert_eq!(heap.verify().unwrap().cached_bytes, 0, "the lists have changed their kind");
}
