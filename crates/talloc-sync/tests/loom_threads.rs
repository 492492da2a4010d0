//! Models of access to a thread's heap, and of blocks that other threads return to it: `cargo xtask loom`.
//!
//! This file includes the sources. Each protocol also has a broken model, which must fail.
#![cfg(loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{Ordering, fence};
use loom::thread;

#[path = "../src/lock/machine.rs"]
#[allow(dead_code, unused_imports, reason = "it is for more than this")]
mod machine;

/// The path by which the sources import it.
mod lock {
    pub(crate) use crate::machine;
}

#[path = "../src/threads/entry.rs"]
#[allow(dead_code, reason = "each model needs a part")]
mod entry;

#[path = "../src/threads/inbox.rs"]
#[allow(dead_code, reason = "each model needs a part")]
mod inbox;

#[path = "../src/threads/delivery.rs"]
#[allow(dead_code, reason = "each model needs a part")]
mod delivery;

use std::ptr::NonNull;

use entry::Entry;
use inbox::Inbox;

/// A count guarded by an entry.
struct Guarded {
    entry: Entry,
    count: UnsafeCell<usize>,
}

// SAFETY: Only the party that the entry admits uses the count, which the models check.
unsafe impl Sync for Guarded {}
// SAFETY: Only the party that the entry admits uses the count, which the models check.
unsafe impl Send for Guarded {}

impl Guarded {
    /// Creates an entry owned by the calling thread. Its models are created before there are other threads.
    fn owned() -> Arc<Self> {
        let guarded = Self { entry: Entry::new(), count: UnsafeCell::new(0) };
        assert!(guarded.entry.claim_fresh());
        guarded.entry.enter(pause);
        guarded.entry.exit();
        Arc::new(guarded)
    }

    fn count(&self) {
        // SAFETY: The entry has admitted the caller.
        self.count.with_mut(|count| unsafe { *count += 1 });
    }

    fn count_as_owner(&self) {
        self.entry.enter(pause);
        self.count();
        self.entry.exit();
    }

    fn count_as_other(&self, barrier: fn() -> bool) -> bool {
        let is_in = self.entry.borrow(barrier);
        if is_in {
            self.count();
            self.entry.give_back();
        }
        is_in
    }
}

fn pause() {
    thread::yield_now();
}

fn heavy_barrier() -> bool {
    fence(Ordering::SeqCst);
    true
}

fn owner_and_other(barrier: fn() -> bool) {
    loom::model(move || {
        let guarded = Guarded::owned();
        let other = {
            let guarded = guarded.clone();
            thread::spawn(move || usize::from(guarded.count_as_other(barrier)))
        };
        guarded.count_as_owner();
        guarded.count_as_owner();
        let others = other.join().unwrap();
        // SAFETY: The other thread has ended.
        assert_eq!(guarded.count.with(|count| unsafe { *count }), 2 + others);
    });
}

#[test]
fn an_owner_and_another_thread_are_never_inside_at_once() {
    owner_and_other(heavy_barrier);
}

#[test]
#[should_panic]
fn without_the_heavy_barrier_both_are_inside() {
    owner_and_other(|| true);
}

#[test]
fn a_heap_that_is_left_has_one_owner_or_visitor() {
    loom::model(|| {
        let guarded = Guarded::owned();
        guarded.count_as_owner();
        guarded.entry.disown();
        let next = {
            let guarded = guarded.clone();
            thread::spawn(move || {
                let is_owner = guarded.entry.claim();
                if is_owner {
                    guarded.count_as_owner();
                }
                usize::from(is_owner)
            })
        };
        let is_visitor = guarded.entry.visit();
        if is_visitor {
            guarded.count();
            guarded.entry.leave();
        }
        let owners = next.join().unwrap();
        // SAFETY: The other threads have ended.
        let count = guarded.count.with(|count| unsafe { *count });
        assert_eq!(count, 1 + owners + usize::from(is_visitor));
        assert!(owners == 1 || is_visitor);
    });
}

/// A block, and a cell that detects concurrent use.
#[repr(C)]
struct Block {
    link: Option<NonNull<u8>>,
    access: UnsafeCell<usize>,
}

impl Block {
    fn leaked() -> NonNull<Self> {
        NonNull::from(Box::leak(Box::new(Self { link: None, access: UnsafeCell::new(0) })))
    }

    /// Records a use of the block by its only owner. Returns its link.
    fn note(block: NonNull<u8>) -> Option<NonNull<u8>> {
        // SAFETY: The block is leaked, and the caller owns it, which the model checks.
        let block = unsafe { block.cast::<Self>().as_ref() };
        // SAFETY: The block is leaked, and the caller owns it, which the model checks.
        block.access.with_mut(|uses| unsafe { *uses += 1 });
        block.link
    }

    /// Creates a list of two blocks, which the caller owns.
    fn two() -> [NonNull<u8>; 2] {
        let [mut first, last] = [(); 2].map(|()| Self::leaked());
        // SAFETY: The block is new, and no other thread has it.
        unsafe { first.as_mut().link = Some(last.cast()) };
        [first, last].map(|block| {
            Self::note(block.cast());
            block.cast()
        })
    }

    /// Counts the blocks of a list that the caller owns.
    fn count(mut next: Option<NonNull<u8>>) -> usize {
        let mut blocks = 0;
        while let Some(block) = next {
            next = Self::note(block);
            blocks += 1;
        }
        blocks
    }
}

/// A heap, reduced to the return of blocks.
struct Home {
    inbox: Inbox,
    guarded: Guarded,
}

impl Home {
    /// Creates a heap owned by the calling thread.
    fn owned() -> Arc<Self> {
        let guarded = Guarded { entry: Entry::new(), count: UnsafeCell::new(0) };
        assert!(guarded.entry.claim_fresh());
        let home = Self { inbox: Inbox::new(), guarded };
        assert!(home.inbox.is_empty());
        Arc::new(home)
    }

    /// Takes blocks back from the inbox. The caller has been admitted by the entry.
    fn take_back(&self) {
        let blocks = Block::count(self.inbox.take());
        // SAFETY: The entry has admitted the caller.
        self.guarded.count.with_mut(|count| unsafe { *count += blocks });
    }

    fn visit(&self) {
        if self.guarded.entry.visit() {
            self.take_back();
            delivery::end_visit(&self.inbox, &self.guarded.entry, || self.take_back());
        }
    }

    fn send(&self) {
        // SAFETY: The blocks are leaked, and this thread owns them.
        unsafe { delivery::send(&self.inbox, &self.guarded.entry, Block::two(), || self.visit()) };
    }

    /// Returns the number of blocks taken back. The other threads have ended.
    fn taken(&self) -> usize {
        // SAFETY: There is only one thread.
        self.guarded.count.with(|count| unsafe { *count })
    }
}

#[test]
fn each_block_comes_home_once() {
    loom::model(|| {
        let home = Home::owned();
        let senders = [(); 2].map(|()| {
            let home = home.clone();
            thread::spawn(move || home.send())
        });
        home.take_back();
        for sender in senders {
            sender.join().unwrap();
        }
        home.take_back();
        assert_eq!(home.taken(), 4);
    });
}

/// Sends blocks while another thread gives up a heap. If `is_idle`, the owner has already [left](Entry::disown) it.
fn sender_and(is_idle: bool, give_up: fn(&Home)) {
    loom::model(move || {
        let home = Home::owned();
        if is_idle {
            home.guarded.entry.disown();
        }
        let sender = {
            let home = home.clone();
            thread::spawn(move || home.send())
        };
        give_up(&home);
        sender.join().unwrap();
        assert_eq!(home.taken(), 2, "blocks are left in the inbox of a heap that nobody owns");
    });
}

#[test]
fn blocks_come_home_while_the_owner_leaves() {
    sender_and(false, |home| {
        delivery::leave(&home.inbox, &home.guarded.entry, || home.visit());
    });
}

#[test]
#[should_panic = "blocks are left"]
fn without_the_leaving_owners_barrier_blocks_are_left() {
    sender_and(false, |home| {
        home.guarded.entry.disown();
        if !home.inbox.is_empty() {
            home.visit();
        }
    });
}

#[test]
fn blocks_come_home_while_somebody_visits() {
    sender_and(true, Home::visit);
}

#[test]
#[should_panic = "blocks are left"]
fn without_the_visitors_second_check_blocks_are_left() {
    sender_and(true, |home| {
        if home.guarded.entry.visit() {
            home.take_back();
            home.guarded.entry.leave();
        }
    });
}

#[test]
fn two_senders_bring_blocks_to_a_heap_that_nobody_owns() {
    loom::model(|| {
        let home = Home::owned();
        delivery::leave(&home.inbox, &home.guarded.entry, || home.visit());
        let sender = {
            let home = home.clone();
            thread::spawn(move || home.send())
        };
        home.send();
        sender.join().unwrap();
        assert_eq!(home.taken(), 4);
    });
}

#[test]
fn a_new_owner_finds_what_came_home_meanwhile() {
    loom::model(|| {
        let home = Home::owned();
        delivery::leave(&home.inbox, &home.guarded.entry, || home.visit());
        let sender = {
            let home = home.clone();
            thread::spawn(move || home.send())
        };
        let is_owner = home.guarded.entry.claim();
        if is_owner {
            home.guarded.entry.enter(pause);
            home.take_back();
            home.guarded.entry.exit();
        }
        sender.join().unwrap();
        if is_owner {
            home.take_back();
        }
        assert_eq!(home.taken(), 2);
    });
}
