//! The plan of the tests.

/// The parameters of the tests that differ between machines.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The number of random operations of each walk.
    pub steps: usize,
    /// The size of the largest block of a walk, in bytes.
    pub largest: usize,
    /// The base-2 logarithm of the largest alignment of a walk.
    pub align_log2: u32,
    /// The number of entries of a collection.
    pub entries: u32,
    /// The number of interrupts to wait for.
    pub ticks: usize,
    /// The fault to inject.
    pub fault: Fault,
}

/// A fault to inject, to check that the tests detect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No fault.
    None,
    /// A byte of a block is overwritten.
    Overwrite,
    /// A block is not freed.
    Leak,
    /// The timer does not interrupt.
    Silence,
}

impl Fault {
    /// Returns the fault with this name, or no fault without a name.
    #[must_use]
    pub fn named(name: Option<&str>) -> Self {
        match name {
            None => Self::None,
            Some("overwrite") => Self::Overwrite,
            Some("leak") => Self::Leak,
            Some("silence") => Self::Silence,
            Some(name) => panic!("there is no fault `{name}`"),
        }
    }
}
