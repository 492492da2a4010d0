//! A heap that moves in memory.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

use crate::heap::Heap;

/// A heap that can be moved between two places.
///
/// The place it leaves is overwritten, to detect pointers that still lead there.
pub struct Seat<H: Heap> {
    /// The heap is in the first place. The second one is empty.
    places: [Box<MaybeUninit<H>>; 2],
}

impl<H: Heap> Seat<H> {
    pub fn new(heap: H) -> Self {
        Self { places: [Box::new(MaybeUninit::new(heap)), Box::new(MaybeUninit::uninit())] }
    }

    /// Moves the heap to the other place.
    pub fn swap(&mut self) {
        let [from, to] = &mut self.places;
        // SAFETY: The heap is in the first place, which is overwritten below. If a panic occurs before that, the guard
        // aborts the process, so the heap is not used twice.
        let heap = unsafe { from.assume_init_read() };
        let guard = AbortOnUnwind;
        heap.mov(to);
        std::mem::forget(guard);
        // SAFETY: The place has the size of the heap, which is no longer there.
        unsafe { from.as_mut_ptr().cast::<u8>().write_bytes(0xa5, size_of::<H>()) };
        self.places.swap(0, 1);
    }
}

impl<H: Heap> Deref for Seat<H> {
    type Target = H;

    fn deref(&self) -> &H {
        // SAFETY: The heap is in the first place.
        unsafe { self.places[0].assume_init_ref() }
    }
}

impl<H: Heap> DerefMut for Seat<H> {
    fn deref_mut(&mut self) -> &mut H {
        // SAFETY: The heap is in the first place.
        unsafe { self.places[0].assume_init_mut() }
    }
}

impl<H: Heap> Drop for Seat<H> {
    fn drop(&mut self) {
        // SAFETY: The heap is in the first place, and is not used again.
        unsafe { self.places[0].assume_init_drop() };
    }
}

/// Aborts the process if a move panics, because the heap would then be in neither place.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}
