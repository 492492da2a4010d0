//! Allocators for microcontrollers, each guarded by critical sections.
//!
//! `init` passes the memory at run time, so the compiler cannot assume that there is none.

// Implements critical sections for a single core.
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
