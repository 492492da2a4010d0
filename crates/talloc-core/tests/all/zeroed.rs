//! Zeroed blocks from memory that may or may not be known to be zero.

use crate::common::{layout, memory, part};
use talloc_core::{Compact, Config, Memory, RealTime, Talloc};

/// Allocates zeroed blocks, checks and overwrites them, and frees some. Meanwhile, the arena is extended, truncated and
/// emptied.
fn blocks_are_zero<C: Config>(known: Memory, dirty: bool) {
    const STEP: usize = 16 << 10;
    // Miri is slow.
    const STEPS: usize = if cfg!(miri) { 60 } else { 3000 };
    let memory = memory(64 * STEP);
    if dirty {
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { memory.get_base_ptr().unwrap().write_bytes(0xff, memory.size()) };
    }
    let mut random = fastrand::Rng::with_seed(7);
    let mut heap = Talloc::<C>::with_config();
    // SAFETY: The memory is leaked, nothing else uses it, and `known` describes it.
    unsafe { heap.arenas_mut().claim_as(part(memory, 0, STEP), known) }.unwrap();
    let mut blocks = Vec::new();
    for step in 0..STEPS {
        let layout = layout(random.usize(1..4000), 1 << random.usize(0..8));
        // SAFETY: All accesses are within the blocks.
        unsafe {
            if let Ok(block) = heap.malloc_zeroed(layout) {
                assert!((0..layout.size()).all(|byte| block.add(byte).read() == 0), "{step}");
                block.write_bytes(0xaa, layout.size());
                blocks.push((block, layout));
            } else {
                let arena = heap.get_arena();
                let wider = arena.extend(0, STEP).fit_within(memory);
                if let Some(added) = wider.above(arena.acme().unwrap()).to_slice() {
                    // The memory may have been in the arena before.
                    (*added).fill(if known.contains(Memory::ZEROED) { 0 } else { 0xbb });
                }
                heap.arena(arena).and_then(|mut arena| arena.extend(wider, known)).unwrap();
            }
            let empty = step % (STEPS / 6) == STEPS / 6 - 1;
            while empty && !blocks.is_empty() || blocks.len() > 40 && random.bool() {
                let (block, layout) = blocks.swap_remove(random.usize(0..blocks.len()));
                heap.free(block, layout);
            }
            if empty {
                heap.flush();
                let low = part(memory, random.usize(0..3) * 1000, STEP);
                let shrunk = low.fit_within(heap.get_arena());
                heap.truncate(shrunk);
                // Memory that is given back and claimed again is no longer zero.
                heap.extend(low);
            }
        }
        heap.verify().unwrap();
    }
}

#[test]
fn blocks_of_zeros_are_zero() {
    for known in [Memory::empty(), Memory::ZEROED] {
        blocks_are_zero::<Compact>(known, false);
        blocks_are_zero::<RealTime>(known, false);
    }
    blocks_are_zero::<RealTime>(Memory::empty(), true);
}

#[test]
fn memory_known_to_be_zero_is_not_cleared() {
    let memory = memory(1 << 20);
    let mut heap = Talloc::new();
    let layout = layout(1 << 16, 8);
    // SAFETY: The memory is leaked and zero, and nothing else uses it.
    unsafe {
        heap.arenas_mut().claim_as(part(memory, 0, 1 << 17), Memory::ZEROED).unwrap();
        let (block, dirty) = heap.backend().malloc_dirty(layout).unwrap();
        // The few bits that the arena cleared in advance count as used.
        assert!(dirty <= 4096);
        heap.free(block, layout);
        let (block, dirty) = heap.backend().malloc_dirty(layout).unwrap();
        assert!(dirty >= (1 << 16) - 8, "the memory has been used");
        let arena = heap.get_arena();
        heap.arena(arena)
            .and_then(|mut arena| arena.extend(part(memory, 0, 1 << 19), Memory::ZEROED))
            .unwrap();
        assert!(heap.backend().malloc_dirty(layout).unwrap().1 <= 4096);
        heap.extend(memory);
        assert_eq!(
            heap.backend().malloc_dirty(layout).unwrap().1,
            1 << 16,
            "the rest is not known to be zero"
        );
        heap.free(block, layout);
    }
}
