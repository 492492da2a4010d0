//! The allocator [`Tagged`].

mod access;
mod extent;
mod memory;
mod process;
mod thread;

use std::alloc::{GlobalAlloc, Layout};
use std::ptr::{self, NonNull};

use crate::handler::Subject;
use crate::misuse;
use crate::report::Action;
use crate::sampler;
use crate::sys::tags;
use extent::Extent;
pub use process::has_memory_tags;

/// An allocator that passes requests on to `A`, and lets the processor find accesses outside of blocks and to freed
/// blocks.
///
/// Some AArch64 processors have the *Memory Tagging Extension* (MTE): each 16 bytes of memory have a tag of four bits, and
/// each pointer also has a tag. An access faults if the tags differ. This allocator gives each block a random tag from 1
/// to 15 that no adjacent memory has. All other memory has the tag 0. On Linux and Android on such a processor, these
/// errors are [reported](crate::set_handler) with the call stack and the tags:
///
/// | error | found |
/// |---|---|
/// | an access in the 16 bytes before or behind a block | always |
/// | an access elsewhere outside of the block | always if no block is there; about 14 times in 15 if another block is there |
/// | an access to a freed block | always until its memory is reused; then at least 12 times in 13 |
/// | an access by the old pointer after a reallocation that changed the pointer | as for a freed block; always if the block did not move |
/// | a free or a reallocation of a freed or foreign block | as often as an access to it, before anything changes |
/// | a free or a reallocation of an address within a block, or with a size that takes another number of 16-byte granules | always, before anything changes |
///
/// There are limits:
///
/// - Bytes between the end of a block and the next multiple of 16 are not checked.
/// - A block at the edge of a page of 4 KiB has one of at most eight tags, because the tag beyond the page is unknown. If
///   the memory of such a block is reused after a free, an access to the freed block is found at least 5 times in 6.
/// - If a program passes the start of a page within a block, and the number of bytes from there to the block's end, that
///   part passes for a block.
/// - If two threads free a block at the same time, both may succeed.
/// - Two adjacent blocks may have the same tag, if the reallocation of one failed while another thread allocated the
///   other.
///
/// An access by the kernel, as in `read(2)`, does not fault: the call returns `EFAULT`.
///
/// # Where there are no tags
///
/// On all other processors and systems, and in a program whose allocator already uses tags, requests are passed on
/// unchanged, and no errors are found: see [`has_memory_tags`]. The same holds for single blocks whose memory the system
/// does not tag, because it belongs to a file, or because the process has the maximum number of mappings. `A` must not be
/// `Tagged` itself, and the program must not have another allocator that starts to use tags later.
///
/// # Threads
///
/// The processor checks a thread's accesses if the thread, or a thread that started it, has allocated. If this is the
/// program's global allocator, the main thread allocates before `main`, so all threads are checked. A thread whose
/// accesses are not checked must not pass blocks to the system, which would refuse the tagged pointers.
///
/// # Cost
///
/// Sizes and alignments are rounded up to multiples of 16, and blocks of whole pages of 4 KiB get another 16 bytes. An
/// allocation or a free takes a store for each 32 bytes of the block, a few loads, and a memory barrier. An allocation
/// therefore makes all pages of a large block resident, even if the block is zeroed. The first block on a page costs a
/// system call that enables tags there. The processor keeps the tags in a 32nd of its memory. The cost of checking
/// depends on the processor.
///
/// # Systems
///
/// A handler of `SIGSEGV` reports bad accesses, as for [`Guarded`](crate::Guarded) blocks. In two cases, the signal ends
/// the program without a report: during the first 16 allocations of a program, before the standard library has its own
/// handler, and if the program has replaced the handlers.
///
/// # Examples
///
/// ```
/// use std::alloc::System;
/// use talloc_guarded::Tagged;
///
/// #[global_allocator]
/// static ALLOCATOR: Tagged<System> = Tagged::new(System);
///
/// # #[expect(clippy::needless_doctest_main)]
/// fn main() {
///     let numbers: Vec<u32> = (0..1000).collect();
///     assert_eq!(numbers.iter().sum::<u32>(), 499_500);
/// }
/// ```
#[derive(Debug, Default)]
pub struct Tagged<A> {
    inner: A,
}

impl<A> Tagged<A> {
    /// Makes an allocator that tags the blocks of `inner`.
    pub const fn new(inner: A) -> Self {
        Self { inner }
    }

    /// Returns the allocator that requests are passed on to. A block that is allocated from it directly has no tag, and
    /// must be freed to it directly.
    pub fn inner(&self) -> &A {
        &self.inner
    }
}

/// The operations for tagged blocks.
impl<A: GlobalAlloc> Tagged<A> {
    /// Gets a block from the inner allocator by `get`, and tags it.
    ///
    /// # Safety
    ///
    /// `get` returns null, or a new block of the inner allocator with the layout that it is passed.
    unsafe fn new_block(&self, layout: Layout, get: impl FnOnce(Layout) -> *mut u8) -> *mut u8 {
        let Some(extent) = Extent::of(layout) else { return ptr::null_mut() };
        let Some(block) = NonNull::new(get(extent.layout)) else { return ptr::null_mut() };
        // SAFETY: The block is new, so nobody else uses it. Memory of no block has the tag 0: pages have it at first, and
        // blocks get it when they are freed.
        unsafe { memory::tag(block, extent, 0) }
    }

    /// Returns the extent of the block that a call has passed. If there is no such block, reports the error, and returns
    /// `None` if the handler continues.
    ///
    /// # Safety
    ///
    /// There is memory where the block should be.
    unsafe fn check(ptr: *mut u8, layout: Layout, action: Action) -> Option<Extent> {
        let extent = Extent::of(layout)?;
        // SAFETY: By the contract of this function.
        if let Err((fault, tags)) = unsafe { memory::check(ptr, extent) } {
            let addr = tags::address(ptr.addr());
            sampler::paused(|| misuse::report(action, addr, fault, Subject::Tags(tags)));
            return None;
        }
        Some(extent)
    }

    /// # Safety
    ///
    /// That of `GlobalAlloc::dealloc`. Some ways to violate it are reported.
    unsafe fn free(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: By the contract of `dealloc`, the block is live, and the caller gives it up. The inner allocator
        // allocated it with the layout of the extent.
        unsafe {
            if let Some(extent) = Self::check(ptr, layout, Action::Free { layout }) {
                memory::set(ptr, extent, 0);
                self.inner.dealloc(tags::without(ptr), extent.layout);
            }
        }
    }

    /// # Safety
    ///
    /// That of `GlobalAlloc::realloc`. Some ways to violate it are reported.
    unsafe fn resize(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else {
            return ptr::null_mut();
        };
        // SAFETY: By the contract of `realloc`, the block is live.
        let old = unsafe { Self::check(ptr, layout, Action::Resize { layout, new_size }) };
        let (Some(old), Some(new)) = (old, Extent::of(new_layout)) else { return ptr::null_mut() };
        if old == new {
            return ptr;
        }
        let tag = tags::of_pointer(ptr.addr());
        // SAFETY: The inner allocator allocated the block with the layout of the extent. Nobody accesses the block during
        // the call, so its tag may be 0 meanwhile. The new block is also the inner allocator's, and nobody else has a
        // pointer to it.
        unsafe {
            memory::set(ptr, old, 0);
            match NonNull::new(self.inner.realloc(
                tags::without(ptr),
                old.layout,
                new.layout.size(),
            )) {
                Some(block) => memory::tag(block, new, memory::only(tag)),
                None => {
                    memory::set(ptr, old, tag);
                    ptr::null_mut()
                }
            }
        }
    }
}

// SAFETY: Each block is a block of `A` with at least the size and alignment of the request, and goes back to `A` with the
// layout with which `A` allocated it. Whether blocks have tags never changes in a process. Nothing unwinds: a handler of
// reports that panics aborts.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Tagged<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The size is not zero, by the contract of `alloc`.
        unsafe {
            if process::checks_tags() {
                self.new_block(layout, |layout| self.inner.alloc(layout))
            } else {
                self.inner.alloc(layout)
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The size is not zero, by the contract of `alloc_zeroed`.
        unsafe {
            if process::checks_tags() {
                self.new_block(layout, |layout| self.inner.alloc_zeroed(layout))
            } else {
                self.inner.alloc_zeroed(layout)
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: The block is live, with this layout, and the caller gives it up.
        unsafe {
            if process::checks_tags() {
                self.free(ptr, layout);
            } else {
                self.inner.dealloc(ptr, layout);
            }
        }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The block is live, with this layout, and the caller owns it.
        unsafe {
            if process::checks_tags() {
                self.resize(ptr, layout, new_size)
            } else {
                self.inner.realloc(ptr, layout, new_size)
            }
        }
    }
}
