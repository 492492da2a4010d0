//! Lock-free lists of rows.

use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use super::row::Row;

/// A stack of rows (Treiber 1986). The low half is the number of the top row plus one; the high half
/// counts changes, which distinguishes a stack that has changed and changed back.
pub(super) struct List(AtomicU64);

const COUNT: u64 = 1 << u32::BITS;

impl List {
    /// Pushes a row, which must be in no list.
    pub(super) fn push(&self, number: u32, row: &Row) {
        let mut head = self.0.load(Relaxed);
        loop {
            row.next.store(head as u32, Relaxed);
            let new = counted(head, number + 1);
            match self.0.compare_exchange_weak(head, new, Release, Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Pops a row. `row` returns the row of a number.
    pub(super) fn pop<'a>(&self, row: impl Fn(u32) -> &'a Row) -> Option<u32> {
        let mut head = self.0.load(Acquire);
        loop {
            let first = (head as u32).checked_sub(1)?;
            // If another thread has popped the row meanwhile, the link is stale, but the count has changed.
            let next = row(first).next.load(Relaxed);
            match self.0.compare_exchange_weak(head, counted(head, next), Acquire, Acquire) {
                Ok(_) => return Some(first),
                Err(now) => head = now,
            }
        }
    }
}

/// The word after a change, with `first` in the low half.
fn counted(word: u64, first: u32) -> u64 {
    (word & !(COUNT - 1)).wrapping_add(COUNT) | u64::from(first)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::vec::Vec;

    use super::*;

    fn rows(count: usize) -> Vec<Row> {
        // SAFETY: All zeros are a row.
        (0..count).map(|_| unsafe { core::mem::zeroed() }).collect()
    }

    #[test]
    fn the_last_comes_first() {
        let rows = rows(3);
        let list = List(AtomicU64::new(0));
        (0..3).for_each(|number| list.push(number, &rows[number as usize]));
        let taken: Vec<_> = core::iter::from_fn(|| list.pop(|n| &rows[n as usize])).collect();
        assert_eq!(taken, [2, 1, 0]);
    }

    #[test]
    fn threads_never_take_the_same_row() {
        let rows = rows(8);
        let takers: Vec<_> = (0..8).map(|_| AtomicUsize::new(0)).collect();
        let list = List(AtomicU64::new(0));
        (0..8).for_each(|number| list.push(number, &rows[number as usize]));
        let steps = if cfg!(miri) { 50 } else { 50_000 };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..steps {
                        let Some(number) = list.pop(|n| &rows[n as usize]) else { continue };
                        let taker = &takers[number as usize];
                        assert_eq!(taker.fetch_add(1, Relaxed), 0);
                        taker.fetch_sub(1, Relaxed);
                        list.push(number, &rows[number as usize]);
                    }
                });
            }
        });
        assert_eq!(core::iter::from_fn(|| list.pop(|n| &rows[n as usize])).count(), 8);
    }
}
