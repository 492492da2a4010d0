//! The smallest region in which a heap completes a script.

use crate::{heap::Memory, registry::Entry, replay::Stop, script::Script};
use std::time::Duration;

/// The precision of the search: this fraction of the peak.
const PRECISION: f64 = 0.005;

/// A heap that needs more than this many times the peak does not complete the script.
const MAX_RATIO: u64 = 8;

/// Returns the smallest region in bytes in which the heap completes the script, to within half a percent of the script's
/// peak. Memory of the heap outside of its region does not count: see [`Entry::control_bytes`].
///
/// # Errors
/// [`Stop::OutOfMemory`] if eight times the peak is too little, [`Stop::OutOfTime`] if a run takes longer than
/// `limit`.
pub fn smallest(
    heap: &Entry,
    script: &Script,
    memory: &mut Memory,
    limit: Duration,
) -> Result<u64, Stop> {
    search(script.peak(), |size| {
        let size = usize::try_from(size).expect("a 64-bit host");
        // SAFETY: the memory is borrowed for the call.
        match unsafe { heap.replay(script, script.events().len(), memory.first(size), limit) } {
            Ok(_) => Ok(true),
            Err(Stop::OutOfMemory) => Ok(false),
            Err(Stop::OutOfTime) => Err(Stop::OutOfTime),
        }
    })
}

/// Memory for the search.
pub fn for_search(script: &Script) -> Memory {
    Memory::new(usize::try_from(script.peak() * MAX_RATIO).expect("a 64-bit host"))
}

/// Finds the least size for which `completes` returns true. It doubles the excess over the peak until that suffices, and
/// then bisects it, because failing runs are shorter than complete runs, and most heaps need little.
fn search(peak: u64, mut completes: impl FnMut(u64) -> Result<bool, Stop>) -> Result<u64, Stop> {
    let precision = ((peak as f64 * PRECISION) as u64).max(1);
    // No heap completes in less than the peak.
    let mut short = peak.saturating_sub(1);
    let mut excess = (peak / 32).max(1);
    let mut enough = loop {
        let size = peak + excess;
        if size > peak * MAX_RATIO {
            return Err(Stop::OutOfMemory);
        }
        if completes(size)? {
            break size;
        }
        short = size;
        excess *= 2;
    };
    while enough - short > precision {
        let middle = short + (enough - short) / 2;
        if completes(middle)? {
            enough = middle;
        } else {
            short = middle;
        }
    }
    Ok(enough)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        random::{Mix, Random},
        registry::find,
    };

    #[test]
    fn the_search_ends_within_the_precision() {
        for peak in [1, 2, 100, 12_345, 1 << 30] {
            for need in [peak, peak + 1, peak + peak / 7, peak * 2, peak * 4] {
                let found = search(peak, |size| Ok(size >= need)).unwrap();
                let precision = ((peak as f64 * PRECISION) as u64).max(1);
                assert!(
                    (need..need + precision).contains(&found),
                    "peak {peak}: needs {need}, found {found}"
                );
            }
        }
    }

    #[test]
    fn the_search_gives_up() {
        assert_eq!(search(1000, |_| Ok(false)), Err(Stop::OutOfMemory));
        assert_eq!(search(1000, |_| Err(Stop::OutOfTime)), Err(Stop::OutOfTime));
    }

    #[test]
    fn what_is_found_suffices_and_is_not_ample() {
        let script = Random::new(Mix::Uniform, 256).script(20_000);
        let mut memory = for_search(&script);
        let limit = Duration::from_secs(60);
        let found = smallest(find("talc5").unwrap(), &script, &mut memory, limit).unwrap();
        assert!((script.peak()..script.peak() * 2).contains(&found));
    }
}
