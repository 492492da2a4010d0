//! A trace that is ready to be replayed: a list of allocations, reallocations and frees in memory.
//!
//! Every workload is a script, recorded or random, so that one replay measures them all, does the same on every
//! heap, and spends little outside the heap.

use crate::error::{Error, ErrorKind};
use crate::live::{error_at, not_live};
use crate::reader::Reader;
use std::alloc::Layout;
use std::collections::HashMap;
use std::io::Read;
use std::string::String;
use std::vec::Vec;

/// The logarithm of the alignment of what asks for none.
pub const NATURAL_ALIGN_LOG2: u8 = 3;

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
        // SAFETY: `checked_size` lets through only what is a layout, with the size before and after.
        unsafe { Layout::from_size_align_unchecked(size as usize, 1 << self.align_log2) }
    }
}

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
    /// Reads a trace. Sizes of 0 count as 1, and every object is aligned to 8 bytes at least.
    ///
    /// # Errors
    ///
    /// [`Error`]; [`ErrorKind::NotReplayable`] for objects of 4 GiB or more, alignments of 2 GiB or more, for more
    /// than 2^32 objects at a time, and if there is no memory for the script.
    pub fn read<R: Read>(name: impl Into<String>, mut reader: Reader<R>) -> Result<Self, Error> {
        Self::read_with(name, &mut reader, |_| ())
    }

    /// The same, showing each event of the trace that is an event of the script, in its order.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn read_with<R: Read>(
        name: impl Into<String>,
        reader: &mut Reader<R>,
        mut show: impl FnMut(&crate::Event),
    ) -> Result<Self, Error> {
        let mut writer = Writer::new(name);
        let mut slots: HashMap<u64, u32, foldhash::fast::RandomState> = HashMap::default();
        while let Some(event) = reader.next_event()? {
            let refuse = |reason| error_at(&event, ErrorKind::NotReplayable(reason));
            writer.try_reserve().map_err(refuse)?;
            match event.op {
                crate::Op::Alloc { id, size, zeroed, .. } => {
                    let align_log2 = event.align_log2.unwrap_or(0).max(NATURAL_ALIGN_LOG2);
                    let slot = writer.try_alloc(size, align_log2, zeroed).map_err(refuse)?;
                    slots.insert(id, slot);
                }
                crate::Op::Realloc { id, size, .. } => {
                    let slot = *slots.get(&id).ok_or_else(|| not_live(id, &event))?;
                    writer.try_realloc(slot, size).map_err(refuse)?;
                }
                crate::Op::Free { id } => {
                    let slot = slots.remove(&id).ok_or_else(|| not_live(id, &event))?;
                    writer.free(slot);
                }
                crate::Op::Refused { .. } | crate::Op::Lost { .. } => continue,
            }
            show(&event);
        }
        Ok(writer.finish())
    }

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

    /// Makes room for one more event, about a new object or another one.
    fn try_reserve(&mut self) -> Result<(), &'static str> {
        let reserved = self.events.try_reserve(1);
        reserved
            .and_then(|()| self.table.try_reserve(1))
            .and_then(|()| self.empty.try_reserve(1))
            .map_err(|_| "more events than there is memory for")
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
        assert!(align.is_power_of_two(), "alignment {align}");
        self.try_alloc(size.into(), align.trailing_zeros() as u8, zeroed).expect("a valid block")
    }

    fn try_alloc(&mut self, size: u64, align_log2: u8, zeroed: bool) -> Result<u32, &'static str> {
        let live = Live { size: checked_size(size, align_log2)?, align_log2 };
        let slot = match self.empty.pop() {
            Some(slot) => slot,
            None => {
                self.table.push(None);
                u32::try_from(self.table.len() - 1).map_err(|_| "more than 2^32 live objects")?
            }
        };
        self.table[slot as usize] = Some(live);
        let op = if zeroed { Op::AllocZeroed } else { Op::Alloc };
        self.push(Event { slot, size: live.size, old_size: 0, op, align_log2: live.align_log2 });
        self.count(0, live.size);
        Ok(slot)
    }

    /// Adds a reallocation. A size of 0 counts as 1.
    ///
    /// # Panics
    /// If the slot is empty.
    pub fn realloc(&mut self, slot: u32, size: u32) {
        self.try_realloc(slot, size.into()).expect("a valid block");
    }

    fn try_realloc(&mut self, slot: u32, size: u64) -> Result<(), &'static str> {
        let Live { size: old_size, align_log2 } = self.live(slot);
        let size = checked_size(size, align_log2)?;
        self.table[slot as usize] = Some(Live { size, align_log2 });
        self.push(Event { slot, size, old_size, op: Op::Realloc, align_log2 });
        self.count(old_size, size);
        Ok(())
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

/// The size of a block as an event has it, if it makes a layout with this alignment.
fn checked_size(size: u64, align_log2: u8) -> Result<u32, &'static str> {
    if align_log2 > 30 {
        return Err("an alignment of 2 GiB or more");
    }
    let size = u32::try_from(size.max(1)).map_err(|_| "an object of 4 GiB or more")?;
    match Layout::from_size_align(size as usize, 1 << align_log2) {
        Ok(_) => Ok(size),
        Err(_) => Err("an object larger than half of the addresses"),
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
