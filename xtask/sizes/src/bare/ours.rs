//! talloc.

use talloc_global::*;

#[cfg(feature = "talloc")]
type Parameters = Compact;
#[cfg(feature = "talloc-real-time")]
type Parameters = config::RealTime;
#[cfg(feature = "talloc-micro")]
type Parameters = config::Micro;
#[cfg(feature = "talloc-micro-one-arena")]
type Parameters = config::OneArena<config::Micro>;
#[cfg(feature = "talloc-smallest")]
type Parameters = config::Tiny;

#[global_allocator]
static HEAP: TallocCritical<Parameters> = TallocCritical::new(Talloc::with_config());

#[unsafe(no_mangle)]
unsafe extern "C" fn init(start: *mut u8, size: usize) {
    // SAFETY: The caller passes memory that nothing else uses.
    HEAP.with(|heap| unsafe { heap.init(Span::from_ptr_size(start, size)) });
}
