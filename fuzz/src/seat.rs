//! A heap that moves about in memory.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

use crate::heap::Heap;

/// A heap in one of two places, which it can be moved between.
///
/// The place it has left is overwritten, so that a heap that still pointed there would be found
/// out.
pub struct Seat<H: Heap> {
    /// The heap lies in the first; the second holds nothing.
    places: [Box<MaybeUninit<H>>; 2],
}

impl<H: Heap> Seat<H> {
    pub fn new(heap: H) -> Self {
        Self { places: [Box::new(MaybeUninit::new(heap)), Box::new(MaybeUninit::uninit())] }
    }

    /// Moves the heap to the other place.
    pub fn swap(&mut self) {
        let [from, to] = &mut self.places;
        // SAFETY: The heap lies in the first place, which is overwritten at once. Should the
        // process get as far as using it again, after a panic in between, it is aborted here.
        let heap = unsafe { from.assume_init_read() };
        let guard = AbortOnUnwind;
        heap.mov(to);
        std::mem::forget(guard);
        // SAFETY: The place is as large as the heap, which is no longer there.
        unsafe { from.as_mut_ptr().cast::<u8>().write_bytes(0xa5, size_of::<H>()) };
        self.places.swap(0, 1);
    }
}

impl<H: Heap> Deref for Seat<H> {
    type Target = H;

    fn deref(&self) -> &H {
        // SAFETY: The heap lies in the first place.
        unsafe { self.places[0].assume_init_ref() }
    }
}

impl<H: Heap> DerefMut for Seat<H> {
    fn deref_mut(&mut self) -> &mut H {
        // SAFETY: The heap lies in the first place.
        unsafe { self.places[0].assume_init_mut() }
    }
}

impl<H: Heap> Drop for Seat<H> {
    fn drop(&mut self) {
        // SAFETY: The heap lies in the first place, and is not used again.
        unsafe { self.places[0].assume_init_drop() };
    }
}

/// Ends the process if a move panics, as the heap would then be in neither place.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}
