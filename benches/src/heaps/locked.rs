//! Any heap behind a spin lock.

use crate::heap::Heap;
use spin::Mutex;
use std::{alloc::Layout, ptr::NonNull};

/// A heap and its lock, which each call takes. No other thread takes it: the benchmarks measure the lock's own cost.
pub struct Locked<H>(Mutex<H>);

impl<H: Heap> Heap for Locked<H> {
    const NAME: &'static str = H::NAME;
    const USUAL: bool = H::USUAL;

    fn empty() -> Self {
        Self(Mutex::new(H::empty()))
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        // SAFETY: by the contract of this function.
        unsafe { self.0.get_mut().init(memory) }
    }

    #[inline]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: by the contract of this function.
        unsafe { self.0.lock().alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: by the contract of this function.
        unsafe { self.0.lock().dealloc(ptr, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: by the contract of this function.
        unsafe { self.0.lock().alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: by the contract of this function.
        unsafe { self.0.lock().realloc(ptr, layout, new_size) }
    }
}
