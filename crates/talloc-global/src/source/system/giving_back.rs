//! The delay and the unit of returning memory to the system.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;

use talloc_sync::{Memory, Pace, Span};

use super::space;

/// The default length of an epoch in milliseconds. A peak that recurs within two epochs keeps its pages. `cargo xtask
/// bench give-back` and `bench hosted` show how much memory a shorter epoch returns, and the time that it costs.
const DEFAULT_MS: u32 = 100;

/// Length of an epoch in milliseconds; zero disables purging.
static EPOCH_MS: AtomicU32 = AtomicU32::new(DEFAULT_MS);

/// Sets how long unneeded memory stays with the process. `None` disables purging.
pub(super) fn set_delay(delay: Option<Duration>) {
    let milliseconds =
        delay.map_or(0, |delay| delay.as_millis().clamp(1, u128::from(u32::MAX)) as u32);
    EPOCH_MS.store(milliseconds, Relaxed);
}

/// The current pace of purging.
pub(super) fn pace() -> Pace {
    let page = space::page();
    Pace { epoch: EPOCH_MS.load(Relaxed), unit: page, min_piece: page.get() }
}

/// Gives pieces of memory back to the system, and counts their bytes.
#[derive(Default)]
pub(super) struct Purge {
    /// Bytes that the system has taken.
    pub(super) given: usize,
    /// Bytes that it has refused to take.
    pub(super) refused: usize,
}

impl Purge {
    /// Gives a piece back. It stays readable and writable, and is zero if this returns [`Memory::ZEROED`].
    ///
    /// # Safety
    ///
    /// The piece consists of whole [pages](space::page), and nobody needs their contents.
    pub(super) unsafe fn piece(&mut self, piece: Span) -> Memory {
        // SAFETY: By the contract of this function.
        let memory = unsafe { space::discard(piece) };
        self.count(piece, memory.is_some());
        memory.unwrap_or(Memory::empty())
    }

    /// Counts what the system has taken or refused.
    pub(super) fn count(&mut self, piece: Span, is_given: bool) {
        *(if is_given { &mut self.given } else { &mut self.refused }) += piece.size();
    }
}

/// Parses a delay, in milliseconds, or `never`. Ignores any other text.
#[cfg(feature = "std")]
pub(super) fn read_delay(value: &[u8]) {
    if value == b"never" {
        return set_delay(None);
    }
    let number = core::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    if let Some(milliseconds) = number {
        set_delay(Some(Duration::from_millis(milliseconds)));
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn the_delay_is_what_was_said_last() {
        assert_eq!(pace().epoch, DEFAULT_MS);
        for (value, epoch) in [
            (&b"250"[..], 250),
            (b"soon", 250),
            (b"-1", 250),
            (b"", 250),
            (b"\xff", 250),
            (b"never", 0),
            (b"0", 1),
            (b"18446744073709551615", u32::MAX),
        ] {
            read_delay(value);
            assert_eq!(pace().epoch, epoch, "{value:?}");
        }
        set_delay(Some(Duration::from_micros(1)));
        assert_eq!(pace().epoch, 1);
        set_delay(Some(Duration::MAX));
        assert_eq!(pace().epoch, u32::MAX);
        set_delay(Some(Duration::from_millis(DEFAULT_MS.into())));
    }
}
