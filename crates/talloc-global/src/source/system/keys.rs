//! Keys of hardened heaps.

use talloc_sync::{Harden, Standard};

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
/// #[global_allocator]
/// static ALLOCATOR: SystemTallock<Hardened<Compact, RandomKeys>> = SystemTallock::with_config();
///
/// fn main() {
///     let numbers: Vec<u64> = (0..1_000_000).collect();
///     assert_eq!(numbers.iter().sum::<u64>(), 499_999_500_000);
///     assert!(ALLOCATOR.verify().is_ok());
/// }
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
/// If the system has no random numbers yet, returns the key of [`Standard`], which depends on addresses. Allocates
/// nothing.
#[must_use]
pub fn random_key() -> u64 {
    getrandom::u64().unwrap_or_else(|_| Standard::key())
}
