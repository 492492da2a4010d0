//! What is to be done.

/// What is to be done, as far as machines differ.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Random operations of each walk.
    pub steps: usize,
    /// The largest block of a walk, in bytes.
    pub largest: usize,
    /// The largest alignment of a walk, as a power of two.
    pub align_log2: u32,
    /// The entries of a collection.
    pub entries: u32,
    /// The interrupts that are waited for.
    pub ticks: usize,
    /// What is to go wrong.
    pub fault: Fault,
}

/// What is to go wrong, so that it is seen whether it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// A byte of a block changes.
    Overwrite,
    /// A block is not freed.
    Leak,
    /// The timer does not interrupt.
    Silence,
}

impl Fault {
    /// The fault of that name; none for no name.
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
