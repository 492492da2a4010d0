//! Runs scripts, and reports failures.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use talloc_core::{Config, Talloc};

use crate::driver::Driver;
use crate::heap::Heap;
use crate::minimise::minimise;
use crate::ops::{Script, with_profile};
use crate::supply::Supply;

/// The failure of a script.
#[derive(Debug)]
pub struct Failure {
    /// What was wrong.
    pub message: String,
    /// The setup of the script.
    pub setup: String,
    /// The calls, up to the one that failed.
    pub calls: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.message)?;
        writeln!(f, "    // {}", self.setup)?;
        write!(f, "{}", self.calls)
    }
}

/// Runs a script. Returns the number of calls of the heap.
pub fn run(script: &Script) -> Result<usize, Box<Failure>> {
    with_profile!(script.setup.profile, run_with(script))
}

/// Runs a script on a heap, ignoring the profile in the setup.
pub fn run_on<H: Heap>(heap: H, script: &Script) -> Result<usize, Box<Failure>> {
    let mut driver = Driver::new(heap, &script.setup);
    // After a panic, only the driver's trace is used, which holds no references.
    match catch(|| driver.run(&script.ops)) {
        Ok(()) => Ok(driver.steps()),
        Err(message) => {
            let (setup, calls) = (format!("{:?}", script.setup), driver.trace().to_string());
            Err(Box::new(Failure { message, setup, calls }))
        }
    }
}

/// Returns the error of `run`, which may be a panic.
pub(crate) fn catch(run: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(format!("panicked: {}", panic_message(&*panic))))
}

/// Runs a script, and finds a shorter one if it fails.
pub fn check(script: &Script) -> Result<usize, Box<Failure>> {
    run(script).map_err(|failure| Box::new(minimise(script.clone(), *failure, run).1))
}

fn run_with<C: Config>(script: &Script) -> Result<usize, Box<Failure>> {
    run_on(Talloc::<C, _>::with_source(Supply::new(script.setup.source)), script)
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
