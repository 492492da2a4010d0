//! What a workload does: a list of allocations, reallocations and frees, known before it runs.
//!
//! Every workload is a script, recorded or random, so that one replay measures them all, does the same on every
//! heap, and spends little on anything but the heap.

use std::alloc::Layout;

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Allocate a block into a slot.
    Alloc,
    /// Allocate a block of zeros into a slot.
    AllocZeroed,
    /// Change the size of the block in a slot.
    Realloc,
    /// Free the block in a slot.
    Free,
}

/// One step of a script. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Which entry of the table of live blocks it is about.
    pub slot: u32,
    /// The block's size after the event; when freed, its size.
    pub size: u32,
    /// The block's size before the event; 0 if it is new.
    pub old_size: u32,
    /// What it does.
    pub op: Op,
    /// The logarithm of the block's alignment.
    pub align_log2: u8,
}

impl Event {
    /// The block's layout: of a new block, or of one to be freed.
    #[inline]
    pub fn layout(&self) -> Layout {
        self.layout_of(self.size)
    }

    /// The layout of a block before its reallocation.
    #[inline]
    pub fn old_layout(&self) -> Layout {
        self.layout_of(self.old_size)
    }

    #[inline]
    fn layout_of(&self, size: u32) -> Layout {
        // SAFETY: `Writer::alloc` lets through only powers of two below 2^31, and with a size of 32 bits
        // rounding up cannot overflow a `usize` of 64.
        unsafe { Layout::from_size_align_unchecked(size as usize, 1 << self.align_log2) }
    }
}

const _: () = assert!(usize::BITS == 64, "the benchmarks are for 64-bit hosts");

/// A block that a script leaves allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leftover {
    /// Its slot.
    pub slot: u32,
    /// Its layout.
    pub layout: Layout,
}

/// A workload, ready to be replayed.
///
/// Every script is valid: slots lie below [`slots`](Script::slots), are empty before an allocation and hold a
/// live block before anything else, and the sizes in the events are the blocks' true ones.
pub struct Script {
    name: String,
    events: Vec<Event>,
    slots: usize,
    peak: u64,
    leftovers: Vec<Leftover>,
}

impl Script {
    /// The workload's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many slots it uses: the most blocks that are ever alive together.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The most bytes ever allocated together, counted as they were asked for.
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// The blocks that are still allocated at the end.
    pub fn leftovers(&self) -> &[Leftover] {
        &self.leftovers
    }
}

/// A block as the writer knows it.
#[derive(Clone, Copy)]
struct Live {
    size: u32,
    align_log2: u8,
}

/// Writes a [`Script`] event by event, and keeps it valid.
pub struct Writer {
    name: String,
    events: Vec<Event>,
    table: Vec<Option<Live>>,
    /// Empty slots; the last one emptied is used first, which keeps the table of blocks small and warm.
    empty: Vec<u32>,
    live_bytes: u64,
    peak: u64,
}

impl Writer {
    /// A script without events.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            events: Vec::new(),
            table: Vec::new(),
            empty: Vec::new(),
            live_bytes: 0,
            peak: 0,
        }
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are no events yet.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The size of the block in a slot.
    ///
    /// # Panics
    /// If the slot is empty.
    pub fn size(&self, slot: u32) -> u32 {
        self.live(slot).size
    }

    /// Adds an allocation and returns its slot. A size of 0 counts as 1.
    ///
    /// # Panics
    /// If `align` is not a power of two below 2^31.
    pub fn alloc(&mut self, size: u32, align: usize, zeroed: bool) -> u32 {
        assert!(align.is_power_of_two() && align < 1 << 31, "alignment {align}");
        let live = Live { size: size.max(1), align_log2: align.trailing_zeros() as u8 };
        let slot = self.empty.pop().unwrap_or_else(|| {
            self.table.push(None);
            u32::try_from(self.table.len() - 1).expect("more than 2^32 blocks")
        });
        self.table[slot as usize] = Some(live);
        let op = if zeroed { Op::AllocZeroed } else { Op::Alloc };
        self.push(Event { slot, size: live.size, old_size: 0, op, align_log2: live.align_log2 });
        self.count(0, live.size);
        slot
    }

    /// Adds a reallocation. A size of 0 counts as 1.
    ///
    /// # Panics
    /// If the slot is empty.
    pub fn realloc(&mut self, slot: u32, size: u32) {
        let Live { size: old_size, align_log2 } = self.live(slot);
        let size = size.max(1);
        self.table[slot as usize] = Some(Live { size, align_log2 });
        self.push(Event { slot, size, old_size, op: Op::Realloc, align_log2 });
        self.count(old_size, size);
    }

    /// Adds a free.
    ///
    /// # Panics
    /// If the slot is empty.
    pub fn free(&mut self, slot: u32) {
        let Live { size, align_log2 } = self.live(slot);
        self.table[slot as usize] = None;
        self.empty.push(slot);
        self.push(Event { slot, size, old_size: size, op: Op::Free, align_log2 });
        self.count(size, 0);
    }

    /// The finished script.
    pub fn finish(self) -> Script {
        let leftovers = (0..).zip(&self.table).filter_map(|(slot, live)| {
            let Live { size, align_log2 } = (*live)?;
            let layout = Layout::from_size_align(size as usize, 1 << align_log2)
                .expect("checked by `alloc`");
            Some(Leftover { slot, layout })
        });
        Script {
            leftovers: leftovers.collect(),
            name: self.name,
            events: self.events,
            slots: self.table.len(),
            peak: self.peak,
        }
    }

    fn live(&self, slot: u32) -> Live {
        self.table[slot as usize].expect("a live block's slot")
    }

    fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    fn count(&mut self, old_size: u32, size: u32) {
        self.live_bytes = self.live_bytes - u64::from(old_size) + u64::from(size);
        self.peak = self.peak.max(self.live_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_counts_the_peak_and_reuses_slots() {
        let mut writer = Writer::new("test");
        let a = writer.alloc(100, 8, false);
        let b = writer.alloc(50, 16, true);
        writer.free(a);
        let c = writer.alloc(0, 8, false);
        writer.realloc(b, 200);
        let script = writer.finish();

        assert_eq!((a, b, c), (0, 1, 0));
        assert_eq!(script.slots(), 2);
        assert_eq!(script.peak(), 201);
        let ops: Vec<_> =
            script.events().iter().map(|event| (event.op, event.old_size, event.size)).collect();
        assert_eq!(
            ops,
            [
                (Op::Alloc, 0, 100),
                (Op::AllocZeroed, 0, 50),
                (Op::Free, 100, 100),
                (Op::Alloc, 0, 1),
                (Op::Realloc, 50, 200)
            ]
        );
        let layout = |size, align| Layout::from_size_align(size, align).unwrap();
        assert_eq!(
            script.leftovers(),
            [
                Leftover { slot: 0, layout: layout(1, 8) },
                Leftover { slot: 1, layout: layout(200, 16) }
            ]
        );
    }

    #[test]
    #[should_panic(expected = "a live block's slot")]
    fn the_writer_refuses_a_double_free() {
        let mut writer = Writer::new("test");
        let slot = writer.alloc(8, 8, false);
        writer.free(slot);
        writer.free(slot);
    }
}
