//! The log of defmt.

use defmt_rtt as _;
use talloc_trace::Sink;

/// Prints each record as a line of the log.
pub struct Log;

impl Log {
    /// Uses the log that the program already has.
    pub fn open() -> Self {
        Self
    }
}

impl Sink for Log {
    fn write(&mut self, bytes: &[u8]) -> bool {
        defmt::println!("talloc {=[u8]:02x}", bytes);
        true
    }
}
