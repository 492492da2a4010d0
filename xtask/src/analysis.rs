//! Tools that look at the libraries' tests from another side: sanitizers, interpreters, model
//! checkers, counters.
//!
//! None of them is installed by this program. One that is missing is an error that says how to get
//! it.

mod compiler;

pub mod coverage;
pub mod instructions;
pub mod loom;
pub mod miri;
pub mod mutants;
pub mod sanitize;
pub mod suite;
pub mod valgrind;
