//! A model of a memory that grows, and of others who make it grow.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::prelude::v1::*;
use std::vec::Vec;

use super::super::memory::{LinearMemory, PAGE};

/// The most pages that a model has.
pub const PAGES: usize = 1024;

/// What others write to their pages.
const CANARY: u8 = 0xa5;

/// A memory of so many pages at the most.
pub struct Model {
    base: *mut u8,
    pages: Cell<usize>,
    most: usize,
    has_rest: Cell<bool>,
    /// The pages of others.
    others: Cell<Vec<usize>>,
    /// How often the heap has asked.
    asked: Cell<usize>,
    /// Pages that others make the memory grow by just before the heap does.
    race: Cell<usize>,
    /// Whether the memory goes up to the last address.
    is_whole: Cell<bool>,
}

impl Model {
    /// A memory that has a page from the start, of which the upper half is the heap's.
    pub fn new(most: usize) -> Self {
        // SAFETY: The size is not zero.
        let base = unsafe { alloc_zeroed(layout()) };
        assert!(!base.is_null());
        base.expose_provenance();
        Self {
            base,
            pages: Cell::new(1),
            most,
            has_rest: Cell::new(true),
            others: Cell::default(),
            asked: Cell::new(0),
            race: Cell::new(0),
            is_whole: Cell::new(false),
        }
    }

    /// The same, but nothing of the first page is the heap's.
    pub fn without_rest(most: usize) -> Self {
        let model = Self::new(most);
        model.has_rest.set(false);
        model
    }

    pub fn pages(&self) -> usize {
        self.pages.get()
    }

    pub fn asked(&self) -> usize {
        self.asked.get()
    }

    /// Somebody else makes the memory grow.
    pub fn grow_for_others(&self, pages: usize) {
        let old = self.pages.get();
        if old + pages > self.most {
            return;
        }
        self.pages.set(old + pages);
        let mut others = self.others.take();
        for page in old..old + pages {
            // SAFETY: The page is the others'.
            unsafe { self.base.add(page * PAGE).write_bytes(CANARY, PAGE) };
            others.push(page);
        }
        self.others.set(others);
    }

    /// Somebody else makes the memory grow at the very time that the heap does next.
    pub fn race(&self, pages: usize) {
        self.race.set(pages);
    }

    /// Somebody else makes the memory grow up to the last address.
    pub fn take_all_for_others(&self) {
        self.is_whole.set(true);
    }

    /// Panics if a byte of another's page has changed.
    pub fn check_others(&self) {
        let others = self.others.take();
        for page in &others {
            // SAFETY: The page has as many bytes.
            let bytes = unsafe { core::slice::from_raw_parts(self.base.add(page * PAGE), PAGE) };
            assert!(bytes.iter().all(|byte| *byte == CANARY), "page {page} is another's");
        }
        self.others.set(others);
    }

    /// The bytes of all pages but those of others.
    pub fn own_bytes(&self) -> usize {
        let others = self.others.take();
        let count = others.len();
        self.others.set(others);
        (self.pages.get() - count) * PAGE
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: It was allocated with this layout.
        unsafe { dealloc(self.base, layout()) }
    }
}

fn layout() -> Layout {
    Layout::from_size_align(PAGES * PAGE, PAGE).expect("it is small")
}

// SAFETY: Each page is given once, and the provenance of all is exposed.
unsafe impl LinearMemory for &Model {
    fn end(&self) -> usize {
        if self.is_whole.get() { 0 } else { self.base.addr() + self.pages.get() * PAGE }
    }

    fn grow(&mut self, pages: usize) -> Option<usize> {
        assert!(!self.is_whole.get(), "there is nothing to ask for");
        self.asked.set(self.asked.get() + 1);
        self.grow_for_others(self.race.take());
        let old = self.pages.get();
        if pages > self.most - old {
            return None;
        }
        self.pages.set(old + pages);
        Some(self.base.addr() + old * PAGE)
    }

    fn rest(&mut self) -> Option<usize> {
        self.has_rest.take().then(|| {
            // It may have been written to.
            // SAFETY: It is half of the first page.
            unsafe { self.base.add(PAGE / 2).write_bytes(1, PAGE / 2) };
            self.base.addr() + PAGE / 2 + 1
        })
    }
}
