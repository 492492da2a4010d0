//! Changes of arenas.

use talloc_core::{Config, Memory, Span};

use super::{Check, Program};
use crate::driver::without;

/// The largest number of bytes by which an arena is extended or truncated at either end.
const MOST: usize = 4 << 10;

/// A span of this size is always large enough for an arena.
const AMPLE: usize = 4 << 10;

impl<C: Config> Program<C> {
    /// Claims, extends, truncates, merges or releases an arena. The heap refuses this if blocks are in the way.
    pub(super) fn reshape(&mut self) -> Check {
        let mut arenas: Vec<Span> = self.heap.arenas().filter(|arena| arena.is_sized()).collect();
        arenas.sort_by_key(|arena| arena.base());
        let gaps = without(self.pool.span(), &arenas);
        // Usually, only one end changes.
        let by = [(); 2].map(|()| self.random.usize(..MOST) * usize::from(self.random.bool()));
        let choice = self.random.u8(..5);
        let Some(arena) = self.random.choice(&arenas).copied() else {
            return self.claim(&gaps, true);
        };
        let heap = &mut self.heap;
        match choice {
            0 => return self.claim(&gaps, false),
            1 => {
                let near = |gap: &&Span| gap.acme() == arena.base() || gap.base() == arena.acme();
                let room = gaps.iter().filter(near).fold(arena, |room, gap| room.fit_over(*gap));
                let new = arena.extend(by[0], by[1]).fit_within(room);
                // SAFETY: The new memory is in the pool, and not in an arena.
                let _ = unsafe {
                    heap.arena(arena).and_then(|mut arena| arena.extend(new, Memory::empty()))
                };
            }
            2 if arena.size() > 2 * MOST => {
                let new = arena.truncate(by[0], by[1]);
                let _ = heap.arena(arena).and_then(|mut arena| arena.truncate(new));
            }
            3 => {
                let above = arenas.iter().find(|other| other.base() == arena.acme());
                if let Some(above) = above.copied() {
                    // SAFETY: Both arenas are in the pool, and its pointer is valid for both.
                    let _ = unsafe { heap.arena(arena).and_then(|mut arena| arena.merge(above)) };
                }
            }
            _ if arenas.len() > 1 => {
                let _ = heap.arena(arena).and_then(|arena| arena.release());
            }
            _ => {}
        }
        Ok(())
    }

    /// Claims a part of a gap. If the heap has no arena, it must accept.
    fn claim(&mut self, gaps: &[Span], is_first: bool) -> Check {
        let Some(gap) = self.random.choice(gaps).copied() else { return Ok(()) };
        if gap.size() < AMPLE {
            return Ok(());
        }
        let low = self.random.usize(..=gap.size() - AMPLE);
        let high = self.random.usize(..=gap.size() - AMPLE - low);
        let part = if self.random.bool() { gap } else { gap.truncate(low, high) };
        // SAFETY: The memory is in the pool, and not in an arena.
        let claimed = unsafe { self.heap.claim(part) };
        if is_first { claimed.map_err(|error| error.to_string()) } else { Ok(()) }
    }
}
