//! Faults of earlier allocators, which must not return.

mod bins;
mod blocks;
mod large;
mod reshape;
mod shared;
mod spans;
mod untouched;

use std::alloc::Layout;
use std::ptr::NonNull;

use talloc_core::{AllocError, Config, Report, Source, Talloc};

/// Runs a test with each configuration: `each_config!(fn name<C: Config>() { ... })`.
macro_rules! each_config {
    ($($(#[$attribute:meta])* fn $name:ident<C: Config>() $body:block)*) => {$(
        $(#[$attribute])*
        mod $name {
            use super::*;

            fn check<C: Config>() $body

            #[test]
            fn compact() {
                check::<talloc_core::Compact>();
            }

            #[test]
            fn real_time() {
                check::<talloc_core::RealTime>();
            }

            #[test]
            fn micro() {
                check::<talloc_core::Micro>();
            }

            #[test]
            fn shrunk() {
                check::<talloc_fuzz::Shrunk>();
            }
        }
    )*};
}
pub(crate) use each_config;

/// Returns a layout. The size and the alignment must be valid.
#[track_caller]
fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("the layout is valid")
}

/// Verifies the heap and returns its report.
#[track_caller]
fn report<C: Config, S>(heap: &Talloc<C, S>) -> Report {
    heap.verify().unwrap_or_else(|violation| panic!("{violation}"))
}

/// Allocates a block.
fn malloc<C: Config, S: Source<C>>(
    heap: &mut Talloc<C, S>,
    layout: Layout,
) -> Result<NonNull<u8>, AllocError> {
    // SAFETY: `malloc` has no preconditions.
    unsafe { heap.malloc(layout) }
}
