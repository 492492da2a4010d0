//! The lock with a light barrier.

mod machine {
    pub(crate) use crate::machine::{AtomicBool, AtomicUsize, Shared};

    pub fn light_barrier() {
        loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
    }
}

#[path = "../../src/magazines/biased.rs"]
mod source;

pub(crate) type Lock = source::Biased<usize>;
