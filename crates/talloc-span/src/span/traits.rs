//! Defaults, comparing and printing.

use core::fmt;
use core::hash::{Hash, Hasher};

use super::Span;

/// The default is the empty span.
impl Default for Span {
    #[inline]
    fn default() -> Self {
        Self::empty()
    }
}

/// Spans of the same bytes are equal, whatever their provenance. All empty spans are equal.
impl PartialEq for Span {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.base == other.base && self.acme == other.acme
    }
}

impl Eq for Span {}

impl Hash for Span {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.base.hash(state);
        self.acme.hash(state);
    }
}

/// Prints the same as [`Display`](fmt::Display).
impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The same as [`Display`](fmt::Display).
#[cfg(feature = "defmt")]
impl defmt::Format for Span {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self.get_base_acme() {
            Some((base, acme)) => defmt::write!(f, "{=usize:#x}..{=usize:#x}", base, acme),
            None => defmt::write!(f, "Empty Span"),
        }
    }
}

/// Prints the bounds in hexadecimal, as in `0x1000..0x2000`, or `Empty Span`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get_base_acme() {
            Some((base, acme)) => write!(f, "{base:#x}..{acme:#x}"),
            None => f.write_str("Empty Span"),
        }
    }
}
