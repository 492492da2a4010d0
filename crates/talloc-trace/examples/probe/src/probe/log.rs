//! defmt's log.

use defmt_rtt as _;
use talloc_trace::Sink;

/// Lines of the log, each with the bytes of a record.
pub struct Log;

impl Log {
    /// The log that the program has anyway.
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
