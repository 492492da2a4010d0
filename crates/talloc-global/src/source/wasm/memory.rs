//! The module's memory.

use core::arch::wasm32::{memory_grow, memory_size};

use talloc_sync::Span;

use crate::linear::{LinearMemory, PAGE};

/// The number of the last page of the address space.
const LAST_PAGE: usize = usize::MAX / PAGE;

/// The module's memory. Each piece that it adds belongs to the caller.
#[derive(Debug)]
pub struct ModuleMemory {
    /// Whether the rest of the initial memory has not been taken yet.
    has_rest: bool,
}

impl ModuleMemory {
    pub(super) const NEW: Self = Self { has_rest: false };

    /// # Safety
    ///
    /// See [`WasmSource::with_rest`](super::WasmSource::with_rest).
    pub(super) const unsafe fn with_rest() -> Self {
        Self { has_rest: true }
    }
}

// SAFETY: The pages that `memory.grow` adds are new, so nobody else has them. The caller of `with_rest` vouched for the
// rest of the initial memory. Addresses in linear memory are mere numbers, and the address of the symbol is exposed.
unsafe impl LinearMemory for ModuleMemory {
    #[inline]
    fn end(&self) -> usize {
        memory_size::<0>().wrapping_mul(PAGE)
    }

    #[inline(always)]
    fn grow(&mut self, pages: usize) -> Option<usize> {
        // The last page must stay unused: its end would not be an address.
        if pages > LAST_PAGE.saturating_sub(memory_size::<0>()) {
            return None;
        }
        match memory_grow::<0>(pages) {
            usize::MAX => None,
            // Another thread has grown the memory meanwhile, so the new pages reach the last page.
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
