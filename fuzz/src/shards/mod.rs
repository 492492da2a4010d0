//! Heaps of threads, used by logical threads that take turns.
//!
//! A logical thread owns a heap during its turns, as a real one does; the program that runs selects the thread. So
//! scripts are deterministic, and can be minimised. Threads start and end, free blocks of others, trim, fork, and
//! wait until memory is purged; the system refuses memory if the script says so. After each step, all heaps are
//! verified.
//!
//! Concurrent accesses are covered by the models of `talloc-sync` and by `tests/threads.rs`.

mod driver;
mod program;
mod script;
mod source;

pub use script::{Op, Script, Setup, Step};

use crate::minimise::minimise;
use crate::run::{Failure, catch};
use driver::Driver;

/// Runs a script, and returns the number of calls of the heaps.
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
