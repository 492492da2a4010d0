//! Random actions, chosen while they run: for workloads whose course depends on the heap.

use crate::{heap::Heap, sizes::Sizes};
use fastrand::Rng;
use std::{alloc::Layout, ptr};

/// The parameters of random actions.
#[derive(Debug, Clone, Copy)]
pub struct Actions {
    /// The blocks' sizes.
    pub sizes: Sizes,
    /// Whether alignments are random, from 8 bytes to 32 KiB, each half as likely as the one before. Otherwise they are 8.
    pub aligned: bool,
    /// Whether one action in three is a reallocation to a new random size.
    pub realloc: bool,
    /// The average number of live blocks. If `None`, their number grows: there is one free for two allocations.
    pub live: Option<usize>,
}

/// One action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Allocate a block of this layout.
    Alloc(Layout),
    /// Reallocate the block of this number to a new size.
    Realloc(usize, usize),
    /// Free the block of this number.
    Free(usize),
}

/// Chooses the actions, and keeps the live blocks.
pub struct Player {
    actions: Actions,
    rng: Rng,
    blocks: Vec<(*mut u8, Layout)>,
    live_bytes: usize,
}

impl Player {
    /// Makes a player without blocks. As long as all requests succeed, the actions are always the same.
    pub fn new(actions: Actions) -> Self {
        Self { actions, rng: Rng::with_seed(2), blocks: Vec::new(), live_bytes: 0 }
    }

    /// The requested bytes of all live blocks.
    pub fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    /// The number of live blocks.
    pub fn live(&self) -> usize {
        self.blocks.len()
    }

    /// Performs one action. Returns false, and changes nothing, if the heap has no room.
    ///
    /// # Safety
    /// The heap is initialised, and all blocks are its own.
    #[inline]
    pub unsafe fn act<H: Heap>(&mut self, heap: &mut H) -> bool {
        let action = self.choose();
        // SAFETY: by the contract of this function.
        unsafe { self.execute(heap, action) }
    }

    /// Chooses an action.
    #[inline]
    pub fn choose(&mut self) -> Action {
        if self.actions.realloc && !self.blocks.is_empty() && self.rng.u32(..3) == 0 {
            Action::Realloc(self.any(), self.size())
        } else if self.wants_to_free() {
            Action::Free(self.any())
        } else {
            self.choose_block()
        }
    }

    /// Chooses an allocation.
    #[inline]
    pub fn choose_block(&mut self) -> Action {
        let align =
            if self.actions.aligned { 8 << self.rng.u16(..).trailing_zeros().min(12) } else { 8 };
        Action::Alloc(layout(self.size(), align))
    }

    /// Performs an action. Returns false, and changes nothing, if the heap has no room.
    ///
    /// # Safety
    /// The heap is initialised, all blocks are its own, and the action was chosen among them.
    #[inline]
    pub unsafe fn execute<H: Heap>(&mut self, heap: &mut H, action: Action) -> bool {
        // SAFETY: by the contract of this function; `note` gets the result of `call`.
        unsafe {
            let block = self.call(heap, action);
            self.note::<H>(action, block)
        }
    }

    /// Only calls the heap. Returns the block for [`note`](Player::note), if there is one.
    ///
    /// # Safety
    /// As [`execute`](Player::execute).
    #[inline]
    pub unsafe fn call<H: Heap>(&self, heap: &mut H, action: Action) -> *mut u8 {
        // SAFETY: the block of a number is live and has its layout; no size is zero.
        unsafe {
            match action {
                Action::Alloc(layout) => heap.alloc(layout),
                Action::Realloc(number, size) => {
                    let (block, layout) = self.blocks[number];
                    heap.realloc(block, layout, size)
                }
                Action::Free(number) => {
                    let (block, layout) = self.blocks[number];
                    heap.dealloc(block, layout);
                    ptr::null_mut()
                }
            }
        }
    }

    /// Records the result of an action, and writes to the block. Returns false if the action failed.
    ///
    /// # Safety
    /// [`call`](Player::call) has just returned `block` for the action.
    #[inline]
    pub unsafe fn note<H: Heap>(&mut self, action: Action, block: *mut u8) -> bool {
        let layout = match action {
            Action::Free(number) => {
                self.live_bytes -= self.blocks.swap_remove(number).1.size();
                return true;
            }
            _ if block.is_null() => return false,
            Action::Alloc(layout) => {
                self.blocks.push((block, layout));
                layout
            }
            Action::Realloc(number, size) => {
                let old = self.blocks[number].1;
                self.live_bytes -= old.size();
                self.blocks[number] = (block, layout(size, old.align()));
                self.blocks[number].1
            }
        };
        self.live_bytes += layout.size();
        // SAFETY: the block is live.
        unsafe { touch::<H>(block, layout) };
        true
    }

    /// Frees `number` random blocks.
    ///
    /// # Safety
    /// All blocks are the heap's, and there are at least `number`.
    pub unsafe fn free<H: Heap>(&mut self, heap: &mut H, number: usize) {
        for _ in 0..number {
            let action = Action::Free(self.any());
            // SAFETY: by the contract of this function.
            unsafe { self.execute(heap, action) };
        }
    }

    fn wants_to_free(&mut self) -> bool {
        match self.actions.live {
            Some(live) => self.rng.usize(..2 * live) < self.blocks.len(),
            None => !self.blocks.is_empty() && self.rng.u32(..3) == 0,
        }
    }

    fn any(&mut self) -> usize {
        self.rng.usize(..self.blocks.len())
    }

    #[inline]
    fn size(&mut self) -> usize {
        self.actions.sizes.choose(&mut self.rng)
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a small layout")
}

/// Writes the first and the last byte of a block, because real programs write to their blocks.
///
/// # Safety
/// The block is live and has this layout.
#[inline]
unsafe fn touch<H: Heap>(block: *mut u8, layout: Layout) {
    if !H::WATCHED {
        // SAFETY: both bytes are in the block, whose size is not zero.
        unsafe {
            block.write_volatile(1);
            block.add(layout.size() - 1).write_volatile(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heaps::System;

    #[test]
    fn sizes_and_counts_are_as_asked() {
        for sizes in [Sizes::Uniform(5, 70), Sizes::Log(5, 70)] {
            let mut player =
                Player::new(Actions { sizes, aligned: true, realloc: true, live: Some(500) });
            for _ in 0..20_000 {
                // SAFETY: all blocks are this heap's.
                assert!(unsafe { player.act(&mut System) });
            }
            assert!((400..600).contains(&player.live()), "{}", player.live());
            let layouts = player.blocks.iter().map(|(_, layout)| layout);
            assert!(layouts.clone().all(|layout| (5..=70).contains(&layout.size())));
            assert!(layouts.clone().any(|layout| layout.align() > 8));
            assert_eq!(player.live_bytes(), layouts.map(Layout::size).sum::<usize>());
            // SAFETY: all blocks are this heap's.
            unsafe { player.free(&mut System, player.live()) };
            assert_eq!((player.live(), player.live_bytes()), (0, 0));
        }
    }
}
