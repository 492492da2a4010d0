//! Heaps of threads, used by logical threads in turn.
//!
//! A logical thread owns a heap as a real one does, as long as it is its turn: the [`Program`] says which one that is.
//! So scripts can be repeated and shortened. Threads come and go, free what others have allocated, trim, fork, and
//! wait until memory goes back; the system refuses memory when the script says so. After every step, all heaps are
//! verified, by each thread in turn.
//!
//! What real threads may do to each other at the same time is left to the models of `talloc-sync`, and to
//! `tests/threads.rs`.

mod driver;
mod program;
mod script;
mod source;

pub use script::{Op, Script, Setup, Step};

use crate::minimise::minimise;
use crate::run::{Failure, catch};
use driver::Driver;

/// Runs a script; gives how many calls of the heaps it made.
pub fn run(script: &Script) -> Result<usize, Box<Failure>> {
    let mut driver = Driver::new(script.setup);
    catch(|| driver.run(&script.steps)).map(|()| driver.calls()).map_err(|message| {
        let (setup, calls) = (format!("{:?}", script.setup), driver.trace().to_owned());
        Box::new(Failure { message, setup, calls })
    })
}

/// [`run`], and finds a shorter script if that fails.
pub fn check(script: &Script) -> Result<usize, Box<Failure>> {
    run(script).map_err(|failure| Box::new(minimise(script.clone(), *failure, run).1))
}
