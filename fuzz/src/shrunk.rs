//! A configuration in which rare paths are frequent.

use talloc_core::{Config, Harden, Measures, QuickLists, SizeBins, Unchecked};

/// Few bins, so most sizes share one and the last one is full; a short search; and quick lists that overflow often.
#[derive(Debug, Clone, Copy)]
pub struct Shrunk;

impl Config for Shrunk {
    type Index = u32;
    type Bins = SizeBins<12, 2, 1>;
    type Quick = QuickLists<5, 96>;
    const LAST_RESORT: usize = 3;
    type Checks = Unchecked;
}

/// All measures of a hardened heap.
#[derive(Debug, Clone, Copy)]
pub struct Everything;

impl Harden for Everything {
    const MEASURES: Measures = Measures::ALL;
}
