//! The module's memory.

use core::arch::wasm32::{memory_grow, memory_size};

use talloc_sync::Span;

use crate::linear::{LinearMemory, PAGE};

/// The number of the last page that an address space of 32 bits has room for.
const LAST_PAGE: usize = usize::MAX / PAGE;

/// The module's memory, of which each piece that is added is the caller's.
#[derive(Debug)]
pub struct ModuleMemory {
    /// Whether the rest of the memory that there is from the start is still to be had.
    has_rest: bool,
}

impl ModuleMemory {
    pub(super) const NEW: Self = Self { has_rest: false };

    /// # Safety
    ///
    /// As for [`WasmSource::with_rest`](super::WasmSource::with_rest).
    pub(super) const unsafe fn with_rest() -> Self {
        Self { has_rest: true }
    }
}

// SAFETY: What the instruction adds is new, so that nobody else has it. The rest is as whoever made this
// says. The address of a linear memory is no more than a number, and that of a symbol is exposed.
unsafe impl LinearMemory for ModuleMemory {
    #[inline]
    fn end(&self) -> usize {
        memory_size::<0>().wrapping_mul(PAGE)
    }

    #[inline(always)]
    fn grow(&mut self, pages: usize) -> Option<usize> {
        // The end of the last page is no address.
        if pages > LAST_PAGE.saturating_sub(memory_size::<0>()) {
            return None;
        }
        match memory_grow::<0>(pages) {
            usize::MAX => None,
            // Another thread has made it grow meanwhile.
            old if cfg!(target_feature = "atomics") && pages > LAST_PAGE - old => None,
            old => Some(old * PAGE),
        }
    }

    #[inline]
    fn rest(&mut self) -> Option<usize> {
        core::mem::take(&mut self.has_rest).then(|| (&raw mut __heap_base).expose_provenance())
    }
}

unsafe extern "C" {
    static mut __heap_base: u8;
    static mut __heap_end: u8;
}

/// The memory after the module's data, up to the end of its initial memory.
pub(super) fn rest() -> Span {
    Span::from((&raw mut __heap_base)..(&raw mut __heap_end))
}
