//! Where memory comes from, ready made.

mod region;
#[cfg(all(feature = "system", unix))]
mod system;

pub use region::Region;
#[cfg(target_has_atomic = "8")]
pub use region::StaticArena;
#[cfg(all(feature = "system", unix))]
pub use system::SystemSource;
