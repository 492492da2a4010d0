//! Heaps of threads, used by logical threads that take turns.
//!
//! During its turn, a logical thread owns a heap like a real one. The program selects the thread. So scripts are
//! deterministic and can be minimised. Threads start and end, free blocks of others, trim, fork, and wait until memory
//! is purged. The system refuses memory if the script says so. After each step, all heaps are verified.
//!
//! The models of `talloc-sync` and `tests/all/threads.rs` cover concurrent accesses.

mod driver;
mod program;
mod script;
mod source;

pub use script::{Op, Script, Setup, Step};

use crate::minimise::minimise;
use crate::run::{Failure, catch};
use driver::Driver;

/// Runs a script. Returns the number of calls of the heaps.
pub fn run(script: &Script) -> Result<usize, Box<Failure>> {
    let mut driver = Driver::new(script.setup);
    catch(|| driver.run(&script.steps)).map(|()| driver.calls()).map_err(|message| {
        let (setup, calls) = (format!("{:?}", script.setup), driver.trace().to_owned());
        Box::new(Failure { message, setup, calls })
    })
}

/// Runs a script, and finds a shorter one if it fails.
pub fn check(script: &Script) -> Result<usize, Box<Failure>> {
    run(script).map_err(|failure| Box::new(minimise(script.clone(), *failure, run).1))
}
