//! Allocators of hosted programs, each in a process of its own.
//!
//! A measurement is made by a [`child`], for one of the [`allocators`]: so no allocator finds what another one has left,
//! and memory that is resident is its own. The child's own memory comes from elsewhere, and is there before anything is
//! measured.
//!
//! What is measured is a trace, again and again ([`aging`]), work of [`threads`](crate::threads), and how memory goes
//! back ([`give_back`]); memory is what is [`resident`].

pub mod aging;
pub mod allocators;
pub mod child;
pub mod give_back;
pub mod resident;
