//! Parameters of a heap: the profiles, and what a [`Config`] of one's own is made of.

#[cfg(target_has_atomic = "ptr")]
pub use talloc_sync::{ByStack, Caller};
pub use talloc_sync::{
    Checked, Compact, Config, Heads, Index, Lists, Micro, OneArena, QuickLists, RealTime, Tiny,
    lists_for,
};
