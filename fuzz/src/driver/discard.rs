//! Discarding free memory.

use talloc_core::{Align, Memory};

use super::{Check, Driver};
use crate::heap::Heap;
use crate::trace::{Call, Outcome};

impl<H: Heap> Driver<H> {
    /// Discards free memory, and leaves zeros or canaries there.
    pub(super) fn discard(&mut self, unit: usize, least: usize, zeroed: bool) -> Check {
        self.trace.begin(Call::Discard { unit, least, zeroed });
        let align = Align::new(unit).expect("a unit is a power of two");
        let (pool, arenas) = (&self.pool, &self.arenas);
        let mut wrong = None;
        // SAFETY: Only the contents of the memory change. They are zero if the answer says so.
        let left = unsafe {
            self.heap.discard(align, least, |piece| {
                if !arenas.iter().any(|arena| arena.contains_span(piece))
                    || piece.size() < least
                    || piece.align_inward(align) != piece
                {
                    wrong = Some(piece);
                }
                match zeroed {
                    true => pool.clear(piece),
                    false => pool.restore(piece),
                }
                if zeroed { Memory::ZEROED } else { Memory::empty() }
            })
        };
        self.trace.end(Outcome::Done);
        let before = self.settle()?;
        self.check_memory()?;
        if let Some(piece) = wrong {
            return Err(format!("discarded {piece}, not {least} bytes in units of {unit}"));
        }
        if self.report != before {
            return Err(format!("what was discarded changed {before:?} to {:?}", self.report));
        }
        let given = self.report.arena_bytes;
        if left > given {
            return Err(format!("after {given} bytes were discarded in part, {left} are left"));
        }
        Ok(())
    }
}
