//! Parameters of a heap: ready-made configurations, adaptors, and the parts of your own [`Config`].

pub use talloc_sync::{
    Binning, BlockChecks, Checked, Checks, Cleared, Compact, Config, FewBins, FewestBins, FineBins,
    Harden, Hardened, HardenedChecks, Index, Lists, Measures, Micro, NoQuickLists, OneArena,
    QuickLists, RealTime, Searching, SizeBins, Standard, Tiny, Uncached, Unchecked, WithBins,
    WithIndex, WithQuick, lists_for,
};
#[cfg(target_has_atomic = "ptr")]
pub use talloc_sync::{ByStack, Caller};
