//! The lock without a light barrier.

mod machine {
    pub(crate) use crate::machine::{AtomicBool, AtomicUsize, Shared};

    pub fn light_barrier() {}
}

#[path = "../../src/magazines/biased.rs"]
mod source;

pub(crate) type Lock = source::Biased<usize>;
