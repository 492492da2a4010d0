//! Planting memory errors into random programs, and what becomes of them.
//!
//! [`inject`] runs a random legal program, plants one fault of a [`Class`] in it, lets the program go on, and says what
//! came of it: the heap reported the fault to its handler, nothing changed, or something was corrupted silently. The
//! heap lies in a [`Pool`](crate::Pool) of canaries, and a [`Shadow`](crate::Shadow) knows what each block must
//! contain.
//!
//! | what | where |
//! |---|---|
//! | the levels of heap, one line each | [`LEVELS`] |
//! | the classes of faults | [`Class`] |
//! | how each is planted | `plant` |
//! | what came of a fault, and of many | [`Outcome`], [`Tally`] |
//! | many faults of a class, in processes of their own | [`many`] |
//! | the tables, in Markdown | [`heading`], [`row`], [`details`], `cargo xtask faults` |
//!
//! A heap without checks does not survive most faults: it crashes, or loops for ever. Therefore [`many`] forks.

mod class;
mod exposure;
#[cfg(unix)]
mod fork;
mod injection;
mod level;
mod note;
mod outcome;
mod plant;
mod program;
mod table;
mod tally;

pub use class::{Class, Family};
#[cfg(unix)]
pub use fork::many;
pub use injection::inject;
pub use level::{LEVELS, Level};
pub use note::Note;
pub use outcome::{Outcome, Verdict};
pub use table::{details, heading, row};
pub use tally::{Row, Tally};
