//! Plants faults.

mod calls;
mod frees;
mod metadata;
pub(super) mod storms;
mod writes;

use talloc_core::Config;

use super::class::Class;
use super::program::Program;

/// A planted fault.
#[derive(Debug, Default)]
pub(super) struct Planted {
    /// The number of calls so far, including the wrong call.
    pub at: usize,
    /// Whether a call failed that must fail.
    pub is_refused: bool,
    /// The program's memory that the fault itself overwrote.
    pub harm: Option<String>,
    /// The number of bytes written.
    pub size: usize,
    /// The number of calls since the free, if there was one.
    pub distance: usize,
}

impl Planted {
    /// Creates a fault that was the last call, or that follows it.
    fn now<C: Config>(program: &Program<C>) -> Self {
        Self { at: program.calls, ..Self::default() }
    }
}

/// Plants a fault of a class, if the program gives an opportunity. Passes the size and the distance of a wrong call
/// that may not return to `on_planted`, if they matter.
pub(super) fn plant<C: Config>(
    class: Class,
    program: &mut Program<C>,
    on_planted: &mut dyn FnMut(usize, usize),
) -> Option<Planted> {
    match class {
        Class::DoubleFree => frees::twice(program),
        Class::DelayedDoubleFree => frees::twice_with_delay(program),
        Class::FreeAfterReuse => frees::after_reuse(program, on_planted),
        Class::InteriorFree => frees::interior(program),
        Class::UnalignedFree => frees::unaligned(program),
        Class::StackFree => frees::stack(program),
        Class::StaticFree => frees::fixed(program),
        Class::OtherHeapFree => frees::other_heap(program),
        Class::OwnMemoryFree => frees::own_memory(program),
        Class::WildFree => frees::wild(program),
        Class::PanickingHandler => frees::twice_with_panic(program),
        Class::WrongSize => calls::wrong_size(program),
        Class::WrongSizeResize => calls::wrong_size_resize(program),
        Class::WrongAlign => calls::wrong_align(program),
        Class::Extreme => calls::extreme(program),
        Class::Overflow => writes::overflow(program),
        Class::Underflow => writes::underflow(program),
        Class::WriteAfterFree => writes::after_free(program),
        Class::FreeLink => metadata::free_link(program),
        Class::FreeSize => metadata::free_size(program),
        Class::Bitmap => metadata::bitmap(program),
        Class::BinHead => metadata::bin_head(program),
        Class::QuickHead => metadata::quick_head(program),
        Class::QuickLink => metadata::quick_link(program),
        Class::Control => metadata::control(program),
        Class::Starvation
        | Class::LyingSource
        | Class::PanickingSource
        | Class::Management
        | Class::ReadAfterFree
        | Class::Uninitialised => unreachable!("this class has its own program"),
    }
}
