//! The expected state of a heap.

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ptr::{self, NonNull};

use talloc_core::Span;

use crate::heap::Limits;
use crate::pattern;

/// An allocated block.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// The number of the block in its script. It is also the seed of the block's contents.
    pub id: usize,
    pub ptr: NonNull<u8>,
    pub layout: Layout,
}

impl Block {
    pub fn span(&self) -> Span {
        // A block of no bytes has an address, too.
        Span::from_ptr_size(self.ptr.as_ptr(), self.layout.size().max(1))
    }

    /// Returns the block with another size, and possibly another address.
    fn resized(self, ptr: NonNull<u8>, size: usize) -> Self {
        let layout = Layout::from_size_align(size, self.layout.align());
        Self {
            ptr,
            layout: layout.expect("the heap allocated a block of an impossible size"),
            ..self
        }
    }

    /// Writes the pattern from byte `start` on.
    pub(crate) fn write(&self, start: usize) {
        pattern::write(self.id, start, &mut self.bytes()[start..]);
    }

    /// Checks the pattern up to byte `end`.
    pub(crate) fn check(&self, end: usize) -> Result<(), String> {
        match pattern::difference(self.id, 0, &self.bytes()[..end]) {
            None => Ok(()),
            Some(at) => Err(format!("block b{} was overwritten at its byte {at}", self.id)),
        }
    }

    /// Checks that the bytes from `start` on are zero.
    fn check_zero(&self, start: usize) -> Result<(), String> {
        match self.bytes().iter().skip(start).position(|byte| *byte != 0) {
            None => Ok(()),
            Some(at) => Err(format!("block b{} is not zero at its byte {}", self.id, start + at)),
        }
    }

    #[allow(clippy::mut_from_ref, reason = "the block owns the memory it points to")]
    fn bytes(&self) -> &mut [u8] {
        let bytes = ptr::slice_from_raw_parts_mut(self.ptr.as_ptr(), self.layout.size());
        // SAFETY: A `Block` is only created from memory that the heap has handed out, after a check that it is in an
        // arena and overlaps no other block. It is dropped before the memory is freed. The memory of arenas is
        // initialised. Nothing keeps the reference.
        unsafe { &mut *bytes }
    }
}

/// The allocated blocks of a heap.
pub struct Shadow {
    limits: Limits,
    blocks: Vec<Block>,
    /// The index of the block at an address.
    starts: BTreeMap<usize, usize>,
    /// The total size of the blocks' chunks.
    used_bytes: usize,
    /// The number of blocks so far, including freed ones.
    count: usize,
}

impl Shadow {
    pub fn new(limits: Limits) -> Self {
        Self { limits, blocks: Vec::new(), starts: BTreeMap::new(), used_bytes: 0, count: 0 }
    }

    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    pub fn get(&self, index: usize) -> Block {
        self.blocks[index]
    }

    /// Returns the total size of the blocks' chunks.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Returns the number of the next block.
    pub fn next_id(&self) -> usize {
        self.count
    }

    /// Forgets all blocks.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.starts.clear();
        self.used_bytes = 0;
    }

    /// Returns the number of a block that is about to be allocated.
    pub fn number(&mut self) -> usize {
        self.count += 1;
        self.count - 1
    }

    /// Adds a newly allocated block, which must be zero from its byte `clean` on.
    pub fn insert(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        clean: usize,
        arenas: &[Span],
    ) -> Result<(), String> {
        let block = Block { id: self.number(), ptr, layout };
        self.put(block, 0, clean, arenas)
    }

    /// Adds a block that must have its contents up to byte `kept`, and zeros from byte `clean` on.
    pub fn put(
        &mut self,
        block: Block,
        kept: usize,
        clean: usize,
        arenas: &[Span],
    ) -> Result<(), String> {
        self.admit(&block, arenas)?;
        block.check(kept).map_err(|error| format!("{error}: its contents were not kept"))?;
        block.check_zero(clean)?;
        block.write(kept);
        self.link(block);
        Ok(())
    }

    /// Removes a block that is about to be freed.
    pub fn remove(&mut self, index: usize) -> Result<Block, String> {
        let block = self.unlink(index);
        block.check(block.layout.size()).map(|()| block)
    }

    /// Removes a block that was freed. Returns its number.
    pub fn freed(&mut self, ptr: NonNull<u8>) -> usize {
        self.unlink(self.index_of(ptr)).id
    }

    /// Returns the index of the allocated block at `ptr`.
    pub fn index_of(&self, ptr: NonNull<u8>) -> usize {
        self.starts[&ptr.addr().get()]
    }

    /// Changes the size and the address of a block. Its contents were checked before.
    pub fn resize(
        &mut self,
        index: usize,
        ptr: NonNull<u8>,
        size: usize,
        arenas: &[Span],
    ) -> Result<(), String> {
        let old = self.unlink(index);
        let kept = old.layout.size().min(size);
        self.put(old.resized(ptr, size), kept, usize::MAX, arenas)
    }

    /// Checks the contents of one block.
    pub fn check(&self, index: usize) -> Result<(), String> {
        let block = &self.blocks[index];
        block.check(block.layout.size())
    }

    /// Checks the contents of all blocks.
    pub fn check_all(&self) -> Result<(), String> {
        (0..self.blocks.len()).try_for_each(|index| self.check(index))
    }

    /// Returns the smallest span that contains all blocks in `arena`.
    pub fn live_span(&self, arena: Span) -> Span {
        let Some((base, acme)) = arena.get_base_acme() else { return Span::empty() };
        let mut within = self.starts.range(base..acme).map(|(_, &index)| index);
        let first = within.next();
        let last = within.next_back().or(first);
        match (first, last) {
            (Some(first), Some(last)) => {
                self.blocks[first].span().fit_over(self.blocks[last].span())
            }
            _ => Span::empty(),
        }
    }

    /// Checks the alignment and the address of a block, and that it overlaps no other.
    fn admit(&self, block: &Block, arenas: &[Span]) -> Result<(), String> {
        let Block { id, layout, .. } = block;
        let addr = block.ptr.addr().get();
        if addr % layout.align() != 0 {
            return Err(format!(
                "block b{id} is misaligned: {addr:#x} is no multiple of {}",
                layout.align()
            ));
        }
        let takes = Span::try_from_base_size(addr, self.limits.rounded(layout.size()));
        let takes = takes.ok_or_else(|| format!("block b{id} wraps around"))?;
        if !arenas.iter().any(|arena| arena.contains_span(takes)) {
            return Err(format!("block b{id} does not lie in an arena"));
        }
        let below = self.starts.range(..addr + takes.size()).next_back();
        match below.map(|(_, &index)| &self.blocks[index]) {
            Some(other) if self.takes(other).overlaps(takes) => {
                Err(format!("block b{id} overlaps block b{}", other.id))
            }
            _ => Ok(()),
        }
    }

    /// Returns the chunk of a block.
    fn takes(&self, block: &Block) -> Span {
        Span::from_base_size(block.ptr.addr().get(), self.limits.rounded(block.layout.size()))
    }

    fn link(&mut self, block: Block) {
        self.used_bytes += self.limits.rounded(block.layout.size());
        self.starts.insert(block.ptr.addr().get(), self.blocks.len());
        self.blocks.push(block);
    }

    fn unlink(&mut self, index: usize) -> Block {
        let block = self.blocks.swap_remove(index);
        self.used_bytes -= self.limits.rounded(block.layout.size());
        self.starts.remove(&block.ptr.addr().get());
        if let Some(moved) = self.blocks.get(index) {
            self.starts.insert(moved.ptr.addr().get(), index);
        }
        block
    }
}
