//! Arenas that are extended and truncated by little, by much, and often.

use talloc_core::{Config, Memory, Talloc};
use talloc_fuzz::ops::{Cut, Op, Pick};
use talloc_fuzz::supply::Kind;
use talloc_fuzz::{Pool, Profile, Script, Setup, check};

use crate::regressions::{each_config, layout, malloc, report};

each_config! {
    fn extension_by_less_than_a_chunk_loses_nothing<C: Config>() {
        let pool = Pool::new(32 << 10);
        let (mut low, mut high) = (16_003, 16_300);
        let mut heap = Talloc::<C>::with_config();
        // SAFETY: Nothing else uses the memory of the pool.
        unsafe { heap.init(pool.at(low, high)) };
        let block = malloc(&mut heap, layout(24, 8)).expect("there is room");
        for step in 0..2000 {
            (low, high) = (low - step % 5, high + step % 16);
            // SAFETY: Nothing else uses the memory of the pool.
            unsafe { heap.extend(pool.at(low, high)) };
            let after = report(&heap);
            // Except for the bitmap, and less than a granule at each end, all memory is usable. A small arena's bitmap
            // has no room to spare.
            let bitmap = after.arena_bytes / 64;
            assert!(after.overhead_bytes <= 16 + 2 * bitmap + 64, "{step}: {after:?}");
        }
        // SAFETY: The block is allocated with this layout.
        unsafe { heap.free(block, layout(24, 8)) };
        heap.flush();
        let after = report(&heap);
        // SAFETY: No block is allocated.
        unsafe { heap.init(pool.at(low, high)) };
        let new = report(&heap);
        assert_eq!((after.free_chunks, after.free_bytes), (1, new.free_bytes), "{after:?}");
    }

    /// A flush tidies an arena without blocks whose bitmap lies in the middle. This moves its control block, here when
    /// it is extended or truncated.
    fn an_arena_that_a_flush_tidies<C: Config>() {
        let pool = Pool::new(32 << 10);
        for truncate in [false, true] {
            let mut heap = Talloc::<C>::with_config();
            let whole = pool.at(10_000, 14_400);
            // SAFETY: Nothing else uses the memory of the pool, and the block is allocated with this layout.
            unsafe {
                heap.init(pool.at(1000, 1064));
                heap.claim(whole).expect("the arena is valid");
                let block = malloc(&mut heap, layout(1000, 8)).expect("there is room");
                // The bitmap has room only above the block.
                let arena = whole.above(block.addr().get());
                heap.arena(whole).and_then(|mut all| all.truncate(arena)).expect("nothing is allocated below it");
                heap.free(block, layout(1000, 8));
                let mut rest = heap.arena(arena).expect("the arena has this span");
                let result = if truncate {
                    rest.truncate(arena.truncate(0, 8))
                } else {
                    rest.extend(whole, Memory::empty())
                };
                result.expect("the call is valid");
            }
            report(&heap);
            assert!(malloc(&mut heap, layout(1000, 8)).is_ok());
        }
    }
}

/// Returns a script with thousands of extensions and truncations at both ends, with blocks in between. The bitmap must
/// move all the time.
fn reshapes(profile: Profile, size: usize) -> Script {
    let mut random = fastrand::Rng::with_seed(size as u64);
    let mut ops = Vec::new();
    for step in 0..4000 {
        let far = 1 << random.u32(0..=size.ilog2());
        let (low, high) = (random.usize(0..far), random.usize(0..far));
        ops.push(match random.u32(0..4) {
            0 | 1 => Op::Extend { low, high },
            2 => Op::Truncate { cut: Cut::By { low, high } },
            _ => Op::Truncate { cut: Cut::Tight { low: low / 8, high: high / 8 } },
        });
        let pick = Pick(random.u8(..));
        match step % 8 {
            0..=2 => ops.push(Op::Malloc { size: random.usize(0..size / 16), align: 8 }),
            3..=5 => ops.push(Op::Free { pick }),
            _ => {}
        }
    }
    let setup = Setup { profile, size, skew: 5, source: Kind::Refuse, max_arenas: 1 };
    Script { setup, ops }
}

#[test]
fn the_bitmap_moves_thousands_of_times() {
    for profile in Profile::ALL {
        for size in [300, 3000, 30_000] {
            let script = reshapes(profile, size);
            match check(&script) {
                // In the smallest arena, a hardened heap has no room for some steps, because the bitmap has a canary.
                Ok(steps) => assert!(steps + 50 > script.ops.len()),
                Err(failure) => panic!("{failure}"),
            }
        }
    }
}
