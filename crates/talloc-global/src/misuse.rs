//! What a [`Checked`](crate::config::Checked) or [`Hardened`](crate::config::Hardened) heap reports.

pub use talloc_sync::{Call, Fault, Misuse, OnMisuse, Panics};

/// Prints the misuse to the standard error stream as one line, and aborts the program.
///
/// Unlike [`Panics`], it allocates nothing, so it is the right handler for a global allocator.
///
/// # Examples
///
/// ```
/// use talloc_global::config::{Checked, Compact};
/// use talloc_global::misuse::Aborts;
/// # #[cfg(all(unix, feature = "system"))] {
/// use talloc_global::*;
///
/// static ALLOCATOR: SystemTallock<Checked<Compact, Aborts>> = SystemTallock::with_config();
/// # }
/// ```
#[cfg(has_threads)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Aborts;

#[cfg(has_threads)]
impl OnMisuse for Aborts {
    fn misuse(misuse: &Misuse) {
        extern crate std;
        use std::io::Write;

        let mut line = Line { bytes: [0; LINE], len: 0 };
        // A line that is too long is truncated.
        let _ = core::fmt::Write::write_fmt(&mut line, format_args!("talloc: {misuse}"));
        line.end();
        // There is no other way to report it. The standard error stream has no buffer.
        let _ = std::io::stderr().write_all(&line.bytes[..line.len]);
        std::process::abort()
    }
}

/// The most bytes of a report.
#[cfg(has_threads)]
const LINE: usize = 256;

/// A line of text. One call writes it, so that the lines of several threads do not mix.
#[cfg(has_threads)]
struct Line {
    bytes: [u8; LINE],
    len: usize,
}

#[cfg(has_threads)]
impl Line {
    /// Ends the line.
    fn end(&mut self) {
        self.len = self.len.min(LINE - 1);
        self.bytes[self.len] = b'\n';
        self.len += 1;
    }
}

#[cfg(has_threads)]
impl core::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let text = text.as_bytes();
        let len = text.len().min(LINE - self.len);
        self.bytes[self.len..][..len].copy_from_slice(&text[..len]);
        self.len += len;
        if len < text.len() { Err(core::fmt::Error) } else { Ok(()) }
    }
}
