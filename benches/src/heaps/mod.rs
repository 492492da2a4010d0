//! The allocators under test, each as a [`Heap`](crate::heap::Heap).

mod hosted;
mod locked;
mod magazines;
mod null;
mod ours;
mod peers;
mod talc;

pub use hosted::{Jemalloc, Mimalloc, System};
pub use locked::Locked;
pub use magazines::Magazines;
pub use null::{NULL, replay_on_null};
pub use ours::{Talloc, Tallock};
pub use peers::{Buddy, Dl, Galloc, LinkedList, Rlsf};
pub use talc::{Talc4, Talc5};
