//! The memory that a block takes.

use std::alloc::Layout;

/// The bytes that share a tag.
pub const GRANULE: usize = 16;

/// The smallest page of any system. Beyond the page of a block, there may be no memory.
pub const PAGE: usize = 4096;

/// The memory that a block takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The bytes with the block's tag: whole granules.
    pub tagged: usize,
    /// The layout that the inner allocator is asked for.
    pub layout: Layout,
}

impl Extent {
    /// Returns the extent of a block with a layout; `None` if it overflows.
    pub fn of(layout: Layout) -> Option<Self> {
        let tagged = layout.size().max(1).checked_next_multiple_of(GRANULE)?;
        // Without a guard, such a block could start at the start of a page and end at the end of one.
        let guard = if tagged % PAGE == 0 { GRANULE } else { 0 };
        let layout =
            Layout::from_size_align(tagged.checked_add(guard)?, layout.align().max(GRANULE));
        Some(Self { tagged, layout: layout.ok()? })
    }

    /// Whether the extent ends with an untagged granule.
    pub fn has_guard(&self) -> bool {
        self.layout.size() > self.tagged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_take_whole_granules_and_never_whole_pages() {
        let sizes = [(0, 16, 16), (1, 16, 16), (16, 16, 16), (17, 32, 32), (4095, 4096, 4112)];
        for (size, tagged, taken) in sizes {
            let extent = Extent::of(Layout::from_size_align(size, 1).unwrap()).unwrap();
            assert_eq!((extent.tagged, extent.layout.size()), (tagged, taken));
            assert_eq!(extent.layout.align(), GRANULE);
            assert_eq!(extent.has_guard(), size == 4095);
        }
        let aligned = Extent::of(Layout::from_size_align(8192, 512).unwrap()).unwrap();
        assert_eq!((aligned.layout.size(), aligned.layout.align()), (8208, 512));
        let largest = Layout::from_size_align(isize::MAX as usize, 1).unwrap();
        assert_eq!(Extent::of(largest), None);
    }
}
