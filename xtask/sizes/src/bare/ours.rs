//! Ours.

use talloc_global::*;

#[cfg(feature = "talloc")]
type Parameters = Compact;
#[cfg(feature = "talloc-real-time")]
type Parameters = RealTime;
#[cfg(feature = "talloc-micro")]
type Parameters = Micro;
#[cfg(feature = "talloc-smallest")]
type Parameters = Tiny;

#[global_allocator]
static HEAP: TallocCritical<Parameters> = TallocCritical::new(Talloc::configured());

#[unsafe(no_mangle)]
unsafe extern "C" fn init(start: *mut u8, size: usize) {
    // SAFETY: As the caller says.
    HEAP.with(|heap| unsafe { heap.init(Span::from_ptr_size(start, size)) });
}
