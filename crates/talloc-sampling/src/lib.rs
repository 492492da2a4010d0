//! What allocators share that sample: when a block is due, and the call stack that asks for it.
//!
//! `talloc-profile` samples bytes, and `talloc-guarded` samples blocks. Both count down in a thread-local
//! [`Countdown`], and record the [`call_stack`] of what they sample. Neither of these allocates.
#![deny(missing_docs)]

mod countdown;
mod stack;

pub use countdown::Countdown;
pub use stack::{call_stack, is_machinery};
