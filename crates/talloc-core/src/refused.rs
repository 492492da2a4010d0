//! Programs that must not compile: each would put another heap in the place of one whose blocks live on, and
//! their owners would free them to the wrong one.
//!
//! What a lock gives out cannot be swapped:
//!
//! ```compile_fail,E0277
//! use talloc_core::{Talloc, Tallock};
//!
//! static ONE: Tallock = Talloc::new().spin_lock();
//! static OTHER: Tallock = Talloc::new().spin_lock();
//!
//! core::mem::swap(&mut *ONE.0.lock(), &mut *OTHER.0.lock());
//! ```
//!
//! Nor with a heap that the program owns:
//!
//! ```compile_fail,E0277
//! use talloc_core::{Talloc, Tallock};
//!
//! static HEAP: Tallock = Talloc::new().spin_lock();
//!
//! core::mem::swap(&mut *HEAP.0.lock(), &mut Talloc::new());
//! ```
//!
//! Nor through a reference to an owned one, which is another type:
//!
//! ```compile_fail,E0308
//! use talloc_core::{OwnedTalloc, Talloc, Tallock};
//!
//! static HEAP: Tallock = Talloc::new().spin_lock();
//!
//! let mut heap = HEAP.0.lock();
//! let heap: &mut OwnedTalloc = &mut *heap;
//! ```
//!
//! Nothing is assigned to it:
//!
//! ```compile_fail,E0308
//! use talloc_core::{Talloc, Tallock};
//!
//! static HEAP: Tallock = Talloc::new().spin_lock();
//!
//! *HEAP.0.lock() = Talloc::new();
//! ```
//!
//! Nor is it replaced:
//!
//! ```compile_fail,E0277
//! use talloc_core::{Talloc, Tallock};
//!
//! fn replace<T>(place: &mut T, value: impl FnOnce() -> T) -> T {
//!     core::mem::replace(place, value())
//! }
//!
//! static HEAP: Tallock = Talloc::new().spin_lock();
//!
//! replace(&mut *HEAP.0.lock(), || panic!());
//! ```
//!
//! Taken:
//!
//! ```compile_fail,E0277
//! use talloc_core::{Talloc, Tallock};
//!
//! static HEAP: Tallock = Talloc::new().spin_lock();
//!
//! core::mem::take(&mut *HEAP.0.lock());
//! ```
//!
//! Or moved:
//!
//! ```compile_fail,E0599
//! use core::mem::MaybeUninit;
//! use talloc_core::{Talloc, Tallock};
//!
//! static HEAP: Tallock = Talloc::new().spin_lock();
//!
//! HEAP.0.lock().mov(&mut MaybeUninit::uninit());
//! ```
//!
//! A lock in a `static` does not give it up either:
//!
//! ```compile_fail,E0507
//! use talloc_core::{Talloc, Tallock};
//!
//! static HEAP: Tallock = Talloc::new().spin_lock();
//!
//! HEAP.0.into_inner();
//! ```
//!
//! Nor is it borrowed mutably, in the way of one that is not shared:
//!
//! ```compile_fail,E0596
//! use talloc_core::{Talloc, Tallock};
//!
//! static HEAP: Tallock = Talloc::new().spin_lock();
//!
//! core::mem::swap(&mut HEAP.0, &mut Talloc::new().spin_lock().0);
//! ```
//!
//! A guard that is mapped leads to the same heap, and not to one that can be swapped:
//!
//! ```compile_fail,E0308
//! use lock_api::MutexGuard;
//! use talloc_core::{OwnedTalloc, Talloc, Tallock};
//!
//! static HEAP: Tallock = Talloc::new().spin_lock();
//!
//! MutexGuard::map(HEAP.0.lock(), |heap| -> &mut OwnedTalloc { heap });
//! ```
//!
//! An OOM handler has the heap for a while:
//!
//! ```compile_fail,E0277
//! use core::alloc::Layout;
//! use talloc_core::{AllocError, Talloc, Tallock};
//!
//! fn swap(heap: &mut Talloc, _: Layout) -> Result<(), AllocError> {
//!     core::mem::swap(heap, &mut Talloc::new());
//!     Ok(())
//! }
//!
//! static HEAP: Tallock = Talloc::with_oom_handler(swap).spin_lock();
//! ```
//!
//! And so has a source, when it is asked for memory and when it may take some back:
//!
//! ```compile_fail,E0308
//! use core::alloc::Layout;
//! use talloc_core::{AllocError, Config, Source, Talloc};
//!
//! struct Swaps;
//!
//! impl<C: Config> Source<C> for Swaps {
//!     fn acquire(heap: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
//!         *heap = Talloc::with_source(Swaps);
//!         Ok(())
//!     }
//! }
//! ```
//!
//! ```compile_fail,E0277
//! use core::alloc::Layout;
//! use talloc_core::{AllocError, Config, Source, Talloc};
//!
//! struct Swaps;
//!
//! impl<C: Config> Source<C> for Swaps {
//!     fn acquire(_: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
//!         Err(AllocError)
//!     }
//!
//!     fn release(heap: &mut Talloc<C, Self>) {
//!         core::mem::swap(heap, &mut Talloc::with_source(Swaps));
//!     }
//! }
//! ```
//!
//! What is lent by [`SharedHeap::with`](crate::SharedHeap::with) is the same:
//!
//! ```compile_fail,E0277
//! use talloc_core::{SharedHeap, Talloc, Tallock};
//!
//! static HEAP: Tallock = Talloc::new().spin_lock();
//!
//! HEAP.with(|heap| core::mem::swap(heap, &mut Talloc::new()));
//! ```
//!
//! No trait that is trusted can be implemented without `unsafe`:
//!
//! ```compile_fail,E0200
//! use talloc_core::{Compact, OomHandler, SharedHeap, Talloc};
//!
//! struct Forgets;
//!
//! impl SharedHeap for Forgets {
//!     type Config = Compact;
//!     type Source = OomHandler<Compact>;
//!
//!     fn with<T>(&self, f: impl FnOnce(&mut Talloc) -> T) -> T {
//!         f(&mut Talloc::new())
//!     }
//! }
//! ```
//!
//! Or not at all:
//!
//! ```compile_fail,E0277
//! #[derive(Clone, Copy, PartialEq, Eq)]
//! struct Wrong(u8);
//!
//! impl talloc_core::Index for Wrong {
//!     const BITS: u32 = 64;
//!     const NIL: Self = Self(0);
//!
//!     fn new(_: usize) -> Self {
//!         Self(0)
//!     }
//!
//!     fn get(self) -> usize {
//!         usize::MAX
//!     }
//! }
//! ```
//!
//! Parameters that make no sense are refused when the heap is compiled:
//!
//! ```compile_fail,E0080
//! use talloc_core::{Compact, SizeBins, Talloc, WithBins};
//!
//! type Wrong = WithBins<Compact, SizeBins<300, 4, 1>>;
//!
//! // SAFETY: There is nothing to observe.
//! let _ = unsafe { Talloc::<Wrong>::with_config().malloc(core::alloc::Layout::new::<u64>()) };
//! ```
//!
//! ```compile_fail,E0080
//! use talloc_core::{Compact, SizeBins, Talloc, WithBins};
//!
//! type Wrong = WithBins<Compact, SizeBins<16, 4, 1>>;
//!
//! // SAFETY: There is nothing to observe.
//! let _ = unsafe { Talloc::<Wrong>::with_config().malloc(core::alloc::Layout::new::<u64>()) };
//! ```
//!
//! ```compile_fail,E0080
//! use talloc_core::{Compact, SizeBins, Talloc, WithBins};
//!
//! type Wrong = WithBins<Compact, SizeBins<40, 4, 5>>;
//!
//! // SAFETY: There is nothing to observe.
//! let _ = unsafe { Talloc::<Wrong>::with_config().malloc(core::alloc::Layout::new::<u64>()) };
//! ```
//!
//! ```compile_fail,E0080
//! use talloc_core::{Compact, SizeBins, Talloc, WithBins};
//!
//! type Wrong = WithBins<Compact, SizeBins<40, 4, 1, 3>>;
//!
//! // SAFETY: There is nothing to observe.
//! let _ = unsafe { Talloc::<Wrong>::with_config().malloc(core::alloc::Layout::new::<u64>()) };
//! ```
//!
//! ```compile_fail,E0080
//! use talloc_core::{Compact, QuickLists, Talloc, WithQuick};
//!
//! type Wrong = WithQuick<Compact, QuickLists<9, 0>>;
//!
//! // SAFETY: There is nothing to observe.
//! let _ = unsafe { Talloc::<Wrong>::with_config().malloc(core::alloc::Layout::new::<u64>()) };
//! ```
//!
//! ```compile_fail,E0080
//! use talloc_core::{Compact, QuickLists, Talloc, WithQuick};
//!
//! type Wrong = WithQuick<Compact, QuickLists<0, 9>>;
//!
//! // SAFETY: There is nothing to observe.
//! let _ = unsafe { Talloc::<Wrong>::with_config().malloc(core::alloc::Layout::new::<u64>()) };
//! ```
//!
//! ```compile_fail,E0080
//! use talloc_core::{Compact, QuickLists, Talloc, WithQuick};
//!
//! type Wrong = WithQuick<Compact, QuickLists<202, 1024>>;
//!
//! // SAFETY: There is nothing to observe.
//! let _ = unsafe { Talloc::<Wrong>::with_config().malloc(core::alloc::Layout::new::<u64>()) };
//! ```
//!
//! A heap with peers cannot be checked, because it has blocks of other heaps on its lists:
//!
//! ```compile_fail,E0080
//! use talloc_core::{Checked, Compact, Parcel, PeerLists, Peers, Span, Talloc, WithQuick};
//!
//! struct Alone;
//!
//! // SAFETY: There is one heap, and no block is delivered.
//! unsafe impl Peers for Alone {
//!     fn owner_of(_: usize) -> u8 {
//!         0
//!     }
//!
//!     fn deliver(_: u8, _: Parcel) {}
//!
//!     fn whole() -> *mut u8 {
//!         core::ptr::null_mut()
//!     }
//! }
//!
//! type WithPeers = WithQuick<Compact, PeerLists<9, 1024, Alone>>;
//!
//! let mut memory = [0_u8; 4096];
//! // SAFETY: The memory is the heap's until neither is used any more.
//! unsafe { Talloc::<Checked<WithPeers>>::with_config().init(Span::from(&mut memory)) };
//! ```
//!
//! Nor can it be hardened:
//!
//! ```compile_fail,E0080
//! use talloc_core::{Compact, Hardened, Parcel, PeerLists, Peers, Span, Talloc, WithQuick};
//!
//! struct Alone;
//!
//! // SAFETY: There is one heap, and no block is delivered.
//! unsafe impl Peers for Alone {
//!     fn owner_of(_: usize) -> u8 {
//!         0
//!     }
//!
//!     fn deliver(_: u8, _: Parcel) {}
//!
//!     fn whole() -> *mut u8 {
//!         core::ptr::null_mut()
//!     }
//! }
//!
//! type WithPeers = WithQuick<Compact, PeerLists<9, 1024, Alone>>;
//!
//! let mut memory = [0_u8; 4096];
//! // SAFETY: The memory is the heap's until neither is used any more.
//! unsafe { Talloc::<Hardened<WithPeers>>::with_config().init(Span::from(&mut memory)) };
//! ```
//!
//! The bytes after which a size of such a heap gets slabs are limited:
//!
//! ```compile_fail,E0080
//! use talloc_core::{Compact, Parcel, PeerLists, Peers, Span, Talloc, WithQuick};
//!
//! struct Alone;
//!
//! // SAFETY: There is one heap, and no block is delivered. It compiles in no program that allocates.
//! unsafe impl Peers for Alone {
//!     fn owner_of(_: usize) -> u8 {
//!         0
//!     }
//!
//!     fn deliver(_: u8, _: Parcel) {}
//!
//!     fn whole() -> *mut u8 {
//!         core::ptr::null_mut()
//!     }
//!
//!     const SLABS_FROM: Option<usize> = Some(512 << 10);
//! }
//!
//! type WithPeers = WithQuick<Compact, PeerLists<9, 1024, Alone>>;
//!
//! let layout = core::alloc::Layout::new::<u64>();
//! // SAFETY: `malloc` has no preconditions.
//! let _ = unsafe { Talloc::<WithPeers>::with_config().malloc(layout) };
//! ```
//!
//! Its smallest block must have room for two words, so its links have 32 bits:
//!
//! ```compile_fail,E0080
//! use talloc_core::{Micro, Parcel, PeerLists, Peers, Span, Talloc, WithQuick};
//!
//! struct Alone;
//!
//! // SAFETY: There is one heap, and no block is delivered.
//! unsafe impl Peers for Alone {
//!     fn owner_of(_: usize) -> u8 {
//!         0
//!     }
//!
//!     fn deliver(_: u8, _: Parcel) {}
//!
//!     fn whole() -> *mut u8 {
//!         core::ptr::null_mut()
//!     }
//! }
//!
//! type WithPeers = WithQuick<Micro, PeerLists<9, 1024, Alone>>;
//!
//! let mut memory = [0_u8; 4096];
//! // SAFETY: The memory is the heap's until neither is used any more.
//! unsafe { Talloc::<WithPeers>::with_config().init(Span::from(&mut memory)) };
//! ```
//!
//! An allocator that is two heaps is not made of the macros of this crate, which make the others, without `unsafe`:
//!
//! ```compile_fail
//! use core::cell::Cell;
//! use talloc_core::{Talloc, Tallock, global_alloc};
//!
//! static ONE: Tallock = Talloc::new().spin_lock();
//! static OTHER: Tallock = Talloc::new().spin_lock();
//!
//! struct Either(Cell<bool>);
//!
//! global_alloc!(impl[] for Either, |it| if it.0.replace(!it.0.get()) { &ONE } else { &OTHER });
//! ```
//!
//! A view does not give out the heap that it borrows:
//!
//! ```compile_fail,E0616
//! let (mut one, mut other) = (talloc_core::Talloc::new(), talloc_core::Talloc::new());
//! core::mem::swap(one.backend().heap, other.backend().heap);
//! ```
//!
//! While a view is in use, the heap does not change:
//!
//! ```compile_fail,E0502
//! let mut heap = talloc_core::Talloc::new();
//! let view = heap.inspect();
//! heap.flush();
//! assert_eq!(view.used_bytes(), 0);
//! ```
//!
//! Nor do two views change it at a time:
//!
//! ```compile_fail,E0499
//! let mut heap = talloc_core::Talloc::new();
//! let (mut arenas, backend) = (heap.arenas_mut(), heap.backend());
//! arenas.reclaim_arena(talloc_core::Span::empty());
//! drop(backend);
//! ```
//!
//! The blocks of a batch are promised by those who make it:
//!
//! ```compile_fail,E0133
//! let mut heap = talloc_core::Talloc::new();
//! let batch = heap.backend().malloc_batch(40, 10);
//! ```
//!
//! # What does compile
//!
//! Two guards that are swapped are two guards still. Each heap stays behind its lock:
//!
//! ```
//! use talloc_core::{Talloc, Tallock};
//!
//! static ONE: Tallock = Talloc::new().spin_lock();
//! static OTHER: Tallock = Talloc::new().spin_lock();
//! static mut MEMORY: [u8; 1000] = [0; 1000];
//!
//! // SAFETY: Nothing else uses the array.
//! unsafe { ONE.0.lock().init((&raw mut MEMORY).into()) };
//!
//! let (mut one, mut other) = (ONE.0.lock(), OTHER.0.lock());
//! core::mem::swap(&mut one, &mut other);
//! assert_eq!(other.get_arena().size(), 1000);
//! drop(other);
//! assert!(ONE.0.try_lock().is_some() && OTHER.0.try_lock().is_none());
//! assert_eq!(ONE.0.lock().get_arena().size(), 1000);
//! ```
//!
//! With `unsafe`, an allocator can be made of the macros:
//!
//! ```
//! use std::alloc::{GlobalAlloc, Layout};
//! use talloc_core::{Talloc, Tallock, global_alloc};
//!
//! struct Wrapper(Tallock);
//!
//! // SAFETY: It is one heap, wherever it lies.
//! global_alloc!(unsafe impl[] for Wrapper, |it| &it.0);
//!
//! // SAFETY: The size is not zero.
//! let block = unsafe { Wrapper(Talloc::new().spin_lock()).alloc(Layout::new::<u64>()) };
//! assert!(block.is_null());
//! ```
//!
//! And a heap that is owned is the owner's to move and to swap:
//!
//! ```
//! use talloc_core::{Span, Talloc};
//!
//! let mut memory = [0_u8; 1000];
//! let (mut one, mut other) = (Talloc::new(), Talloc::new());
//! // SAFETY: The memory is the heap's until neither is used any more.
//! unsafe { one.init(Span::from(&mut memory)) };
//! core::mem::swap(&mut one, &mut other);
//! assert_eq!(other.get_arena().size(), 1000);
//! ```
