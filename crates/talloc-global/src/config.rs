//! Parameters of a heap: ready-made profiles, and the parts of your own [`Config`].

pub use talloc_sync::{
    BlockChecks, Checked, Checks, Compact, Config, Harden, Hardened, HardenedChecks, Heads, Index,
    Lists, Measures, Micro, OneArena, QuickLists, RealTime, Standard, Tiny, Unchecked, lists_for,
};
#[cfg(target_has_atomic = "ptr")]
pub use talloc_sync::{ByStack, Caller};
