//! The allocator whose blocks have tags.

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

/// An allocator that passes requests on to `A`, and has the processor find accesses outside of blocks and to freed ones.
///
/// Some AArch64 processors have the *Memory Tagging Extension* (MTE), with which each 16 bytes of memory have a tag of
/// four bits, and each pointer has one. An access faults if they differ. The blocks of this allocator have a random tag
/// from 1 to 15, which no memory beside the block has. All other memory has the tag 0. On Linux and Android on such a
/// processor, these errors are [reported](crate::set_handler) with the call stack and the tags:
///
/// | error | found |
/// |---|---|
/// | an access in the 16 bytes behind a block, or in those before it | always |
/// | an access elsewhere outside of the block | always in memory that is not a block's; about 14 times in 15 in another block |
/// | an access to a freed block | always until its memory is used again; then 12 times in 13 or more |
/// | an access by the pointer from before a reallocation that changed it | as to a freed block; always if the block kept its place |
/// | a free or a reallocation of a freed or foreign block | as an access to it, before anything changes |
/// | a free or a reallocation of an address within a block, or with a size that takes other granules of 16 bytes | always, before anything changes |
///
/// There are limits:
///
/// - Bytes between the end of a block and the next multiple of 16 are not checked.
/// - Blocks at the edges of pages of 4 KiB have one of eight tags or fewer, as it is not known what is beyond. So a freed
///   block there is found at least 5 times in 6 after its memory is used again.
/// - The start of a page within a block, passed with as many bytes as the block has left there, passes for a block.
/// - Of two threads that free a block at the same time, both may succeed.
/// - Two neighbours may have one tag, if one could not be reallocated while another thread allocated the other.
///
/// An access by the kernel, as in `read(2)`, does not fault: the call returns `EFAULT`.
///
/// # Where there are no tags
///
/// On all other processors and systems, and in a program whose allocator already uses tags, requests are passed on as
/// they are, and nothing is found: see [`has_memory_tags`]. So are single blocks whose memory the system does not tag,
/// because it is that of a file, or because the process can have no more mappings. `A` must not be `Tagged` itself, nor
/// must a program have another allocator that begins to use tags later.
///
/// # Threads
///
/// The processor checks the accesses of threads that have allocated, and of those that were started by them. The thread
/// of `main` allocates before `main` if this is the program's global allocator, so that all threads are checked. Other
/// threads must not pass blocks to the system, which would refuse the pointers.
///
/// # Cost
///
/// Sizes and alignments are rounded up to multiples of 16, and whole pages of 4 KiB get another 16 bytes. Allocating and
/// freeing take a store for each 32 bytes of the block, a few loads, and a memory barrier. So a large block takes memory
/// for all of its pages when it is allocated, also if it is zeroed. The first block on a page costs a system call that
/// makes it have tags. The processor keeps the tags in a 32nd of its memory. How much checking costs depends on the
/// processor.
///
/// # Systems
///
/// Accesses are reported by a handler of `SIGSEGV`, as those of [`Guarded`](crate::Guarded) blocks are. In the first 16
/// allocations of a program, before the standard library has its own handler, and if the program has replaced the
/// handlers, the signal ends the program without a report.
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
    /// An allocator whose blocks are those of `inner`.
    pub const fn new(inner: A) -> Self {
        Self { inner }
    }

    /// The allocator that requests are passed on to. Blocks that it is asked for have no tag, and must be freed to it.
    pub fn inner(&self) -> &A {
        &self.inner
    }
}

/// What is done if blocks have tags.
impl<A: GlobalAlloc> Tagged<A> {
    /// A block that the other allocator gives, with a tag.
    ///
    /// # Safety
    ///
    /// The function returns null, or a block of the layout that it is passed.
    unsafe fn new_block(&self, layout: Layout, get: impl FnOnce(Layout) -> *mut u8) -> *mut u8 {
        let Some(extent) = Extent::of(layout) else { return ptr::null_mut() };
        let Some(block) = NonNull::new(get(extent.layout)) else { return ptr::null_mut() };
        // SAFETY: The block is new. All memory but that of blocks has the tag 0: pages have it at first, and blocks get
        // it before they are freed.
        unsafe { memory::tag(block, extent, 0) }
    }

    /// What a block takes that a call passes. Reports what is wrong if it is not one; if the handler continues, returns
    /// none.
    ///
    /// # Safety
    ///
    /// There is memory where the block should be.
    unsafe fn check(ptr: *mut u8, layout: Layout, action: Action) -> Option<Extent> {
        let extent = Extent::of(layout)?;
        // SAFETY: The contract of this function.
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
        // SAFETY: By the contract of `dealloc`, the block is live, and the caller gives it up. The other allocator has
        // given it with the layout of the extent.
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
        // SAFETY: By the contract of `realloc`, the block is live, and the caller's.
        let old = unsafe { Self::check(ptr, layout, Action::Resize { layout, new_size }) };
        let (Some(old), Some(new)) = (old, Extent::of(new_layout)) else { return ptr::null_mut() };
        if old == new {
            return ptr;
        }
        let tag = tags::of_pointer(ptr.addr());
        // SAFETY: The block is the other allocator's, with the layout of the extent. Nobody accesses it meanwhile, so
        // that its tags may be 0. The new one is that allocator's, too, and the new pointer the only one to it.
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

// SAFETY: Each block is one of `A`, which has as many bytes and such an alignment, and goes back to `A` with the layout
// with which it was allocated. Whether blocks have tags does not change. Nothing unwinds: a handler of reports that
// panics aborts.
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
        // SAFETY: The block is live, with this layout, and the caller's.
        unsafe {
            if process::checks_tags() {
                self.resize(ptr, layout, new_size)
            } else {
                self.inner.realloc(ptr, layout, new_size)
            }
        }
    }
}
