//! Running scripts, and reporting those that fail.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use talloc_core::{Compact, Config, Micro, RealTime, Talloc};

use crate::driver::Driver;
use crate::heap::Heap;
use crate::minimise::minimise;
use crate::ops::{Mix, Profile, Script};
use crate::shrunk::Shrunk;
use crate::supply::Supply;

/// A script that failed.
#[derive(Debug)]
pub struct Failure {
    pub script: Script,
    /// What was wrong.
    pub message: String,
    /// The calls, the last of which went wrong.
    pub calls: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.message)?;
        writeln!(f, "    // {:?}", self.script.setup)?;
        write!(f, "{}", self.calls)
    }
}

/// Runs a script; gives how many calls of the heap it made.
pub fn run(script: &Script) -> Result<usize, Box<Failure>> {
    match script.setup.profile {
        Profile::Compact => run_on(heap::<Compact>(script), script),
        Profile::RealTime => run_on(heap::<RealTime>(script), script),
        Profile::Micro => run_on(heap::<Micro>(script), script),
        Profile::Shrunk => run_on(heap::<Shrunk>(script), script),
    }
}

/// Runs a script on a heap, whatever the setup says about its profile.
pub fn run_on<H: Heap>(heap: H, script: &Script) -> Result<usize, Box<Failure>> {
    let mut driver = Driver::new(heap, &script.setup);
    // Nothing of the driver is used after a panic but its trace, which holds no references.
    let outcome = catch_unwind(AssertUnwindSafe(|| driver.run(&script.ops)));
    let message = match outcome {
        Ok(Ok(())) => return Ok(driver.steps()),
        Ok(Err(message)) => message,
        Err(panic) => format!("panicked: {}", panic_message(&*panic)),
    };
    let calls = driver.trace().to_string();
    Err(Box::new(Failure { script: script.clone(), message, calls }))
}

/// Runs a script, and finds a shorter one if it fails.
pub fn check(script: &Script) -> Result<usize, Box<Failure>> {
    run(script).map_err(|failure| Box::new(minimise(*failure, run)))
}

/// What a fuzz target does with its input.
///
/// # Panics
///
/// If the heap does anything wrong.
pub fn fuzz(mix: Mix, bytes: &[u8]) {
    if let Err(failure) = run(&Script::decode(mix, bytes)) {
        panic!("{failure}");
    }
}

fn heap<C: Config>(script: &Script) -> Talloc<C, Supply> {
    Talloc::with_source(Supply::new(script.setup.source))
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
