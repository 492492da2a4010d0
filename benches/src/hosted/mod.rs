//! Allocators of hosted programs, each in a separate process.
//!
//! A [`child`] process makes a measurement for one of the [`allocators`]. No allocator thus finds memory that another has
//! left, and all resident memory is its own. The child's own memory comes from elsewhere, and is resident before the
//! measurement begins.
//!
//! The measurements are a repeated trace ([`aging`]), work of [`threads`](crate::threads), and memory that goes back to the
//! system ([`give_back`]). They measure [`resident`] memory.

pub mod aging;
pub mod allocators;
pub mod child;
pub mod give_back;
pub mod resident;
