//! Plants memory errors in random programs, and classifies the outcomes.
//!
//! [`inject`] runs a random legal program, plants one fault of a [`Class`] in it, continues the program, and returns
//! the outcome: the heap reported the fault to its handler, nothing changed, or something was silently corrupted. The
//! heap lies in a [`Pool`](crate::Pool) of canaries, and a [`Shadow`](crate::Shadow) knows the contents of each block.
//!
//! | what | where |
//! |---|---|
//! | the levels of checks, one line each | [`LEVELS`] |
//! | the classes of faults | [`Class`] |
//! | how each is planted | `plant` |
//! | the outcome of a fault, and of many | [`Outcome`], [`Tally`] |
//! | many faults of a class, in child processes | [`many`] |
//! | the tables, in Markdown | [`heading`], [`row`], [`details`], `cargo xtask faults` |
//!
//! A heap without checks does not survive most faults: it crashes, or loops forever. So [`many`] forks.

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
