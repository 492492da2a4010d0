//! The allocators of a microcontroller, all of them in critical sections.
//!
//! `init` gives each one its memory, so that the compiler cannot know that there is none.

// The single core's critical sections.
use cortex_m as _;

#[cfg(any(
    feature = "none",
    feature = "talc5",
    feature = "talc4",
    feature = "rlsf",
    feature = "linked-list"
))]
mod critical;
#[cfg(any(feature = "embedded-tlsf", feature = "embedded-llff"))]
mod embedded;
#[cfg(feature = "linked-list")]
mod linked_list;
#[cfg(feature = "none")]
mod none;
#[cfg(any(
    feature = "talloc",
    feature = "talloc-real-time",
    feature = "talloc-micro",
    feature = "talloc-micro-one-arena",
    feature = "talloc-smallest"
))]
mod ours;
#[cfg(feature = "rlsf")]
mod rlsf;
#[cfg(feature = "talc4")]
mod talc4;
#[cfg(feature = "talc5")]
mod talc5;
