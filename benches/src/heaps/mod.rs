//! The allocators under test, each as a [`Heap`](crate::heap::Heap): bare heaps in given memory, and [`Hosted`]
//! allocators.

mod hosted;
mod locked;
mod magazines;
mod peers;
mod talc;

#[cfg(feature = "snmalloc")]
pub use hosted::Snmalloc;
pub use hosted::{Hosted, Jemalloc, Mimalloc, RustyAlloc, System, SystemTalloc};
pub use locked::Locked;
pub use magazines::Magazines;
pub use peers::{Buddy, Dl, Galloc, LinkedList, Rlsf};
pub use talc::{Talc4, Talc5};
pub use talloc_count::{
    null::{NULL, replay_on_null},
    ours::{AllMeasures, Only, Talloc, Tallock},
};
