//! Blocks that grow and shrink by one granule at a time, at each offset in a word of marks.

use talloc_core::{Compact, Config, Micro, RealTime, Talloc};

use crate::checked::{Noted, found};
use crate::common::{layout, memory};

const GRANULE: usize = 8;

/// The number of offsets, up to one word of marks. Miri is slow, so it runs fewer.
const OFFSETS: usize = if cfg!(miri) { 2 } else { 64 };

/// The largest number of granules. Larger sizes may be rounded up to those of lists.
const MOST: usize = 127;

/// The marks of a block have the right length after any sequence of changes.
fn the_marks_follow<C: Config>(offset: usize) {
    let least = (4 * size_of::<C::Index>()).div_ceil(GRANULE);
    let mut heap = Talloc::<Noted<C>>::with_config();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.claim(memory(1 << 13)) }.unwrap();
    // SAFETY: `malloc` has no preconditions.
    let mut take = |len: usize| unsafe { heap.malloc(layout(len * GRANULE, GRANULE)) }.unwrap();
    take(offset + least);
    let [block, hole, _above] = [least, MOST, least].map(&mut take);
    // SAFETY: The block is freed once.
    unsafe { heap.free(hole, layout(MOST * GRANULE, GRANULE)) };
    heap.flush();
    let mut len = least;
    let up_and_down = (least..=MOST).chain((least..MOST).rev());
    for new in up_and_down.chain([31, 66, 32, 97, 33, 63, 120, 65, least]) {
        let old = layout(len * GRANULE, GRANULE);
        // SAFETY: The block has this layout, and there is room above it.
        unsafe {
            if new > len {
                heap.grow_in_place(block, old, new * GRANULE).unwrap();
            } else {
                heap.shrink(block, old, new * GRANULE);
            }
        }
        len = new;
        assert_eq!(heap.verify().err(), None, "{len} at {offset}");
        assert_eq!(heap.inspect().size_of_block(block), Ok(len * GRANULE), "at {offset}");
        for wrong in [len - 1, len + 1].into_iter().filter(|wrong| *wrong >= least) {
            let wrong = layout(wrong * GRANULE, GRANULE);
            assert!(heap.inspect().check(block, wrong).is_err(), "{len} at {offset}");
        }
    }
    // SAFETY: The block is freed once.
    unsafe { heap.free(block, layout(len * GRANULE, GRANULE)) };
    assert_eq!(found(), []);
}

#[test]
fn the_marks_follow_each_change_of_size() {
    for offset in 0..OFFSETS {
        the_marks_follow::<Compact>(offset);
        the_marks_follow::<RealTime>(offset);
        the_marks_follow::<Micro>(offset);
    }
}
