//! Parameters of a heap: the profiles, and what a [`Config`] of one's own is made of.

pub use talloc_sync::{
    BlockChecks, Checked, Checks, Compact, Config, Harden, Hardened, HardenedChecks, Heads, Index,
    Lists, Measures, Micro, OneArena, QuickLists, RealTime, Standard, Tiny, Unchecked, lists_for,
};
#[cfg(target_has_atomic = "ptr")]
pub use talloc_sync::{ByStack, Caller};
