//! Models of who may use the heap of a thread, and of blocks on their way home: `cargo xtask loom`.
//!
//! The sources are included here. Each protocol has a model that breaks it, which must fail.
#![cfg(loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{Ordering, fence};
use loom::thread;

#[path = "../src/lock/machine.rs"]
#[allow(dead_code, unused_imports, reason = "it is for more than this")]
mod machine;

/// Where the sources look for it.
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

/// What an entry guards, and how often it has been changed.
struct Guarded {
    entry: Entry,
    count: UnsafeCell<usize>,
}

// SAFETY: The count is used only by the party that the entry lets in, which is what the models are about.
unsafe impl Sync for Guarded {}
// SAFETY: The count is used only by the party that the entry lets in, which is what the models are about.
unsafe impl Send for Guarded {}

impl Guarded {
    /// One that the calling thread owns. Its models are made before there are other threads.
    fn owned() -> Arc<Self> {
        let guarded = Self { entry: Entry::new(), count: UnsafeCell::new(0) };
        assert!(guarded.entry.claim_fresh());
        guarded.entry.enter(pause);
        guarded.entry.exit();
        Arc::new(guarded)
    }

    fn count(&self) {
        // SAFETY: The entry has let the caller in.
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
        // SAFETY: The other thread is gone.
        assert_eq!(guarded.count.with(|count| unsafe { *count }), 2 + others);
    });
}

#[test]
fn an_owner_and_another_thread_are_never_inside_at_once() {
    owner_and_other(heavy_barrier);
}

#[test]
#[should_panic]
fn without_the_heavy_barrier_they_are() {
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
        // SAFETY: The other thread is gone.
        let count = guarded.count.with(|count| unsafe { *count });
        assert_eq!(count, 1 + owners + usize::from(is_visitor));
        assert!(owners == 1 || is_visitor);
    });
}

/// A block, and whether whoever uses it has it alone.
#[repr(C)]
struct Block {
    link: Option<NonNull<u8>>,
    access: UnsafeCell<usize>,
}

impl Block {
    fn leaked() -> NonNull<Self> {
        NonNull::from(Box::leak(Box::new(Self { link: None, access: UnsafeCell::new(0) })))
    }

    /// Notes that the block is used, by somebody who has it alone.
    fn note(block: NonNull<u8>) -> Option<NonNull<u8>> {
        // SAFETY: It is a leaked block, which the caller has, as the model checks.
        let block = unsafe { block.cast::<Self>().as_ref() };
        // SAFETY: It is a leaked block, which the caller has, as the model checks.
        block.access.with_mut(|uses| unsafe { *uses += 1 });
        block.link
    }

    /// A list of two new blocks, that the caller has.
    fn two() -> [NonNull<u8>; 2] {
        let [mut first, last] = [(); 2].map(|()| Self::leaked());
        // SAFETY: Nobody else knows of it.
        unsafe { first.as_mut().link = Some(last.cast()) };
        [first, last].map(|block| {
            Self::note(block.cast());
            block.cast()
        })
    }

    /// Counts the blocks of a list, each of which the caller has.
    fn count(mut next: Option<NonNull<u8>>) -> usize {
        let mut blocks = 0;
        while let Some(block) = next {
            next = Self::note(block);
            blocks += 1;
        }
        blocks
    }
}

/// A heap as far as blocks come home to it.
struct Home {
    inbox: Inbox,
    guarded: Guarded,
}

impl Home {
    /// One that the calling thread owns.
    fn owned() -> Arc<Self> {
        let guarded = Guarded { entry: Entry::new(), count: UnsafeCell::new(0) };
        assert!(guarded.entry.claim_fresh());
        let home = Self { inbox: Inbox::new(), guarded };
        assert!(home.inbox.is_empty());
        Arc::new(home)
    }

    /// Takes back what has come home, by whoever the entry has let in.
    fn take_back(&self) {
        let blocks = Block::count(self.inbox.take());
        // SAFETY: The entry has let the caller in.
        self.guarded.count.with_mut(|count| unsafe { *count += blocks });
    }

    fn visit(&self) {
        if self.guarded.entry.visit() {
            self.take_back();
            delivery::end_visit(&self.inbox, &self.guarded.entry, || self.take_back());
        }
    }

    fn send(&self) {
        // SAFETY: The blocks are this thread's, and leaked.
        unsafe { delivery::send(&self.inbox, &self.guarded.entry, Block::two(), || self.visit()) };
    }

    /// Blocks that have been taken back. The other threads are gone.
    fn taken(&self) -> usize {
        // SAFETY: There is one thread.
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

/// Sends blocks while another thread gives up a heap, which its owner has [left](Entry::disown) before if `is_idle`.
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
fn without_the_barrier_of_who_leaves_they_stay_outside() {
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
fn without_another_look_of_the_visitor_they_stay_outside() {
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
