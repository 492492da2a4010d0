//! Logical threads that share a heap and take turns.
//!
//! The interleaving of real threads cannot be reproduced, so these threads are simulated. A [`Script`] determines the
//! current thread. It may also interrupt a call where other threads could run: each time the heap's lock is released
//! ([`turns`]), and while a cell's supply is called. Other threads then do the next steps of the script before the call
//! continues. So other threads see a block that moves after its new place is allocated and before the old one is freed.
//!
//! Blocks have no owner: every thread may resize and free every block, except those used by an interrupted call.

mod call;
mod checks;
mod driver;
mod heaps;
mod pieces;
mod script;
pub mod turns;

use std::rc::Rc;

use talloc_core::Config;
use talloc_sync::Tallock;
use talloc_sync::lock::Spin;

use crate::minimise::minimise;
use crate::ops::with_profile;
use crate::run::{Failure, catch};

pub use driver::Driver;
pub use heaps::{Cell, FirstSlot, Magazines, SyncHeap};
pub use pieces::{Pieces, Spares};
pub use script::{Form, Op, Script, Setup, Step};
pub use turns::Turns;

/// Runs a script. Returns the number of calls of the heap.
pub fn run(script: &Script) -> Result<usize, Box<Failure>> {
    with_profile!(script.setup.profile, run_with(script))
}

fn run_with<C: Config>(script: &Script) -> Result<usize, Box<Failure>> {
    match script.setup.form {
        Form::Spin => run_on::<Tallock<Spin, C, Spares>>(script),
        Form::Turns => run_on::<Tallock<Turns, C, Spares>>(script),
        Form::Magazines => run_on::<Magazines<C>>(script),
        Form::Cell => run_on::<Cell<C>>(script),
    }
}

/// Runs a script on a heap of kind `H`, ignoring the setup.
pub fn run_on<H: SyncHeap + 'static>(script: &Script) -> Result<usize, Box<Failure>> {
    let driver = Rc::new(Driver::<H>::new(script));
    catch(|| driver.run()).map_err(|message| {
        let (setup, calls) = (format!("{:?}", script.setup), driver.calls());
        Box::new(Failure { message, setup, calls })
    })?;
    Ok(driver.calls_made())
}

/// Runs a script, and finds a shorter one if it fails.
pub fn check(script: &Script) -> Result<usize, Box<Failure>> {
    run(script).map_err(|failure| Box::new(minimise(script.clone(), *failure, run).1))
}
