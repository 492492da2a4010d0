//! Merging adjacent arenas.

use crate::common::{layout, memory, part};
use talloc_core::{
    AllocError, ArenaError, Checked, Compact, Config, Micro, RealTime, Span, Talloc,
};

/// Blocks and their contents.
type Blocks = Vec<(core::ptr::NonNull<u8>, std::alloc::Layout, u8)>;

/// Allocates and frees blocks at random, and checks their contents.
fn act<C: Config>(heap: &mut Talloc<C>, blocks: &mut Blocks, random: &mut fastrand::Rng) {
    for _ in 0..random.usize(0..60) {
        // SAFETY: Each block is freed once, with its layout.
        unsafe {
            if random.u8(0..10) < 6 {
                let layout = layout(random.usize(1..600), 1 << random.usize(0..7));
                let Ok(block) = heap.malloc(layout) else { continue };
                let content = random.u8(..);
                block.write_bytes(content, layout.size());
                blocks.push((block, layout, content));
            } else if !blocks.is_empty() {
                let (block, layout, content) = blocks.swap_remove(random.usize(0..blocks.len()));
                assert!((0..layout.size()).all(|byte| block.add(byte).read() == content));
                heap.free(block, layout);
            }
        }
    }
    heap.verify().unwrap();
}

/// Checks the contents of blocks and frees them.
fn free<C: Config>(heap: &mut Talloc<C>, blocks: Blocks) {
    for (block, layout, content) in blocks {
        // SAFETY: Each block is freed once, with its layout.
        unsafe {
            assert!((0..layout.size()).all(|byte| block.add(byte).read() == content));
            heap.free(block, layout);
        }
    }
}

/// Splits memory into pieces of random sizes, and claims and merges them in random order while blocks are allocated and
/// freed.
fn pieces_become_one<C: Config>(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let whole = memory(40_000).truncate(random.usize(0..9), random.usize(0..9));
    let mut cuts: Vec<_> = (0..3).map(|cut| 10_000 * cut + random.usize(6_000..12_000)).collect();
    cuts.push(whole.size());
    let mut pieces = Vec::new();
    let mut rest = whole;
    for cut in cuts {
        let (piece, above) = rest.split_at(whole.base().unwrap() + cut);
        pieces.push(piece);
        rest = above;
    }
    let mut heap = Talloc::<C>::with_config();
    let mut blocks = Blocks::new();
    let mut order = pieces.clone();
    random.shuffle(&mut order);
    for piece in order {
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.claim(piece) }.unwrap();
        act(&mut heap, &mut blocks, &mut random);
    }
    while pieces.len() > 1 {
        let low = random.usize(0..pieces.len() - 1);
        let used = heap.verify().unwrap().used_bytes;
        // SAFETY: The pieces have the pointer of the whole memory.
        let merged =
            unsafe { heap.arena(pieces[low]).and_then(|mut arena| arena.merge(pieces[low + 1])) };
        if merged.is_ok() {
            let high = pieces.remove(low + 1);
            pieces[low] = pieces[low].fit_over(high);
        }
        let report = heap.verify().unwrap();
        assert_eq!((report.arenas, report.used_bytes), (pieces.len(), used));
        assert_eq!(report.arena_bytes, whole.size());
        if let Err(error) = merged {
            assert_eq!(error, ArenaError::InUse);
            // In a full heap, there would hardly ever be room for a larger bitmap.
            let half = blocks.split_off(blocks.len() / 2);
            free(&mut heap, half);
        }
        act(&mut heap, &mut blocks, &mut random);
    }
    assert!(heap.arenas().eq([whole]));
    free(&mut heap, blocks);
    heap.flush();
    let report = heap.verify().unwrap();
    assert_eq!((report.free_chunks, report.used_bytes), (1, 0));
}

#[test]
fn pieces_of_any_memory_become_one() {
    // Miri is slow.
    for seed in 0..if cfg!(miri) { 3 } else { 200 } {
        pieces_become_one::<Compact>(seed);
        pieces_become_one::<RealTime>(seed);
        pieces_become_one::<Micro>(seed);
        pieces_become_one::<Checked>(seed);
        pieces_become_one::<Checked<Micro>>(seed);
    }
}

#[test]
fn only_arenas_that_touch_are_merged() {
    let memory = memory(30_000);
    let [low, middle, high] = [0, 10_000, 20_008].map(|at| part(memory, at, 9_992));
    let middle = middle.extend(8, 0);
    let mut heap = Talloc::new();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe {
        for span in [low, middle, high] {
            heap.claim(span).unwrap();
        }
        assert_eq!(
            heap.arena(middle).and_then(|mut arena| arena.merge(low)),
            Err(ArenaError::NotAdjacent)
        );
        assert_eq!(
            heap.arena(middle).and_then(|mut arena| arena.merge(high)),
            Err(ArenaError::NotAdjacent)
        );
        assert_eq!(
            heap.arena(low).and_then(|mut arena| arena.merge(low)),
            Err(ArenaError::NotAdjacent)
        );
        assert_eq!(
            heap.arena(low).and_then(|mut arena| arena.merge(Span::new(8, 16))),
            Err(ArenaError::NoSuchArena)
        );
        heap.arena(low).and_then(|mut arena| arena.merge(middle)).unwrap();
    }
    assert_eq!(heap.verify().unwrap().arenas, 2);
    assert_eq!(heap.get_arena(), low.fit_over(middle));
}

#[test]
fn a_piece_too_small_for_an_arena_is_merged_as_well() {
    let layout = layout(600, 8);
    for at in [8, 7_992] {
        let memory = memory(8_000);
        let (low, high) = memory.split_at(memory.base().unwrap() + at);
        let (small, other) = if at == 8 { (low, high) } else { (high, low) };
        let mut heap = Talloc::new();
        // SAFETY: The memory is leaked, and nothing else uses it; the block is freed once.
        unsafe {
            heap.claim(small).unwrap();
            assert_eq!(heap.malloc(layout), Err(AllocError));
            heap.claim(other).unwrap();
            let block = heap.malloc(layout).unwrap();
            heap.arena(low).and_then(|mut arena| arena.merge(high)).unwrap();
            assert!(heap.arenas().eq([memory]));
            assert_eq!(heap.verify().unwrap().used_bytes, 600);
            heap.free(block, layout);
        }
        heap.flush();
        assert_eq!(heap.verify().unwrap().free_chunks, 1);
    }
}

#[test]
fn a_bitmap_that_reaches_far_enough_stays() {
    // The last word of the lower arena's bitmap has enough spare bits for the granules of the upper arena.
    let memory = memory(4_032);
    let (low, high) = memory.split_at(memory.base().unwrap() + 4_000);
    let layout = layout(200, 8);
    let mut heap = Talloc::<RealTime>::with_config();
    // SAFETY: The memory is leaked, and nothing else uses it; the block is freed once.
    unsafe {
        heap.claim(high).unwrap();
        heap.claim(low).unwrap();
        let block = heap.malloc(layout).unwrap();
        let overhead = heap.verify().unwrap().overhead_bytes;
        heap.arena(low).and_then(|mut arena| arena.merge(high)).unwrap();
        let report = heap.verify().unwrap();
        assert_eq!((report.arenas, report.arena_bytes), (1, 4_032));
        // The upper arena's own memory is freed, and the lower arena's bitmap has not grown.
        assert!(report.overhead_bytes < overhead, "{report:?}");
        heap.free(block, layout);
    }
    heap.flush();
    assert_eq!(heap.verify().unwrap().free_chunks, 1);
}

#[test]
fn links_must_reach_both() {
    let memory = memory(600_000);
    let (low, high) = memory.split_at(memory.base().unwrap() + 300_000);
    let mut heap = Talloc::<Micro>::with_config();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe {
        heap.claim(low).unwrap();
        heap.claim(high).unwrap();
        assert_eq!(
            heap.arena(low).and_then(|mut arena| arena.merge(high)),
            Err(ArenaError::TooFar)
        );
    }
    assert_eq!(heap.verify().unwrap().arenas, 2);
}

#[test]
fn arenas_that_cannot_be_merged_keep_their_order() {
    let whole = memory(700 << 10);
    let at = |kib: usize, size: usize| part(whole, kib << 10, size << 10);
    let arenas = [at(680, 10), at(300, 300), at(0, 300), at(640, 30)];
    for [low, high] in [[2, 1], [0, 3], [3, 0]] {
        let mut heap = Talloc::<Micro>::with_config();
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe {
            arenas.iter().for_each(|arena| heap.claim(*arena).unwrap());
            // The merge fails because links do not reach across both arenas, or because they are not adjacent.
            let result = heap.arena(arenas[low]).and_then(|mut arena| arena.merge(arenas[high]));
            assert!(matches!(result, Err(ArenaError::TooFar | ArenaError::NotAdjacent)));
        }
        assert!(heap.arenas().eq(arenas));
        heap.verify().unwrap();
    }
}
