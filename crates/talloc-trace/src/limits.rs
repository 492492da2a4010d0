//! How much of a trace is kept in memory.

/// How much of a trace a [`Reader`](crate::Reader) lets its user keep in memory.
///
/// The defaults are far above what programs have, and need no more than a few GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most live objects, and the most that are being reallocated. 2^24 by default.
    pub objects: usize,
    /// The most frames of all call sites together; a call site counts as one more. 2^25 by default.
    pub frames: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { objects: 1 << 24, frames: 1 << 25 }
    }
}
