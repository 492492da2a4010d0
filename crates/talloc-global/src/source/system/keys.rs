//! Hardened heaps on an operating system: random keys, and the response to misuse.

#[cfg(has_threads)]
use talloc_sync::{Compact, Hardened};
use talloc_sync::{Harden, Standard};

#[cfg(has_threads)]
use crate::misuse::Aborts;

/// [`Hardened`] for programs on an operating system: keys are random, and misuse aborts the program.
///
/// # Examples
///
/// ```
/// use talloc_global::source::SystemHardened;
/// use talloc_global::*;
///
/// #[global_allocator]
/// static ALLOCATOR: SystemTallock<SystemHardened> = SystemTallock::with_config();
///
/// fn main() {
///     let numbers: Vec<u64> = (0..1_000_000).collect();
///     assert_eq!(numbers.iter().sum::<u64>(), 499_999_500_000);
///     assert!(ALLOCATOR.verify().is_ok());
/// }
/// ```
#[cfg(has_threads)]
pub type SystemHardened<C = Compact, M = RandomKeys> = Hardened<C, M, Aborts>;

/// The standard measures of a hardened heap, with keys from the system's random number generator.
///
/// Other measures can use [`random_key`].
///
/// # Examples
///
/// ```
/// use talloc_global::config::{Compact, Hardened};
/// use talloc_global::source::RandomKeys;
/// use talloc_global::*;
///
/// static HEAP: SystemTallock<Hardened<Compact, RandomKeys>> = SystemTallock::with_config();
/// assert!(HEAP.malloc(core::alloc::Layout::new::<u64>()).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RandomKeys;

impl Harden for RandomKeys {
    fn key() -> u64 {
        random_key()
    }
}

/// Returns a key from the system's random number generator, for [`Harden::key`].
///
/// If the system has no random numbers yet, returns the key of [`Standard`], which depends on addresses. Does not
/// allocate.
#[must_use]
pub fn random_key() -> u64 {
    getrandom::u64().unwrap_or_else(|_| Standard::key())
}
