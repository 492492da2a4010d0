//! Random actions, chosen while they run: for workloads whose course depends on what the heap does.

use crate::{heap::Heap, sizes::Sizes};
use fastrand::Rng;
use std::{alloc::Layout, ptr};

/// How actions are chosen.
#[derive(Debug, Clone, Copy)]
pub struct Actions {
    /// The blocks' sizes.
    pub sizes: Sizes,
    /// Alignments from 8 on, each half as likely as the one before, up to 32 KiB; else 8.
    pub aligned: bool,
    /// Whether one action in three is a reallocation to a new random size.
    pub realloc: bool,
    /// How many blocks are alive on average; none: more and more, with a free for two allocations.
    pub live: Option<usize>,
}

/// One action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Allocate a block of this layout.
    Alloc(Layout),
    /// Give the block of this number another size.
    Realloc(usize, usize),
    /// Free the block of this number.
    Free(usize),
}

/// Chooses the actions and has the live blocks.
pub struct Player {
    actions: Actions,
    rng: Rng,
    blocks: Vec<(*mut u8, Layout)>,
    live_bytes: usize,
}

impl Player {
    /// Without blocks; the actions are always the same as long as the heap gives what it is asked for.
    pub fn new(actions: Actions) -> Self {
        Self { actions, rng: Rng::with_seed(2), blocks: Vec::new(), live_bytes: 0 }
    }

    /// The live blocks' bytes, counted as they were asked for.
    pub fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    /// How many blocks are alive.
    pub fn live(&self) -> usize {
        self.blocks.len()
    }

    /// Does one action. False: the heap has no room for it, and all is as before.
    ///
    /// # Safety
    /// The heap is initialised, and all blocks are its own.
    #[inline]
    pub unsafe fn act<H: Heap>(&mut self, heap: &mut H) -> bool {
        let action = self.choose();
        // SAFETY: the caller's promise.
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

    /// Does the action. False: the heap has no room for it, and all is as before.
    ///
    /// # Safety
    /// The heap is initialised, all blocks are its own, and the action was chosen among them.
    #[inline]
    pub unsafe fn execute<H: Heap>(&mut self, heap: &mut H, action: Action) -> bool {
        // SAFETY: the caller's promise; then, that is what came of the action.
        unsafe {
            let block = self.call(heap, action);
            self.note::<H>(action, block)
        }
    }

    /// Only calls the heap. The block, if there is one: [`note`](Player::note) wants it.
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

    /// Takes down what came of an action, and writes to the block. False: nothing did.
    ///
    /// # Safety
    /// `block` is what [`call`](Player::call) has just returned for the action.
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

    /// Frees so many blocks, whichever they are.
    ///
    /// # Safety
    /// All blocks are the heap's, and there are so many.
    pub unsafe fn free<H: Heap>(&mut self, heap: &mut H, number: usize) {
        for _ in 0..number {
            let action = Action::Free(self.any());
            // SAFETY: the caller's promise.
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

/// Writes the first and the last byte, as any program would write its blocks.
///
/// # Safety
/// The block is live and has this layout.
#[inline]
unsafe fn touch<H: Heap>(block: *mut u8, layout: Layout) {
    if !H::WATCHED {
        // SAFETY: the block has so many bytes, and at least one.
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
