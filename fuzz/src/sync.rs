//! Several logical threads that share a heap, one turn at a time.
//!
//! What real threads do cannot be repeated, so these are none: a [`Script`] says whose turn it is,
//! and may break off a call where a thread would let others in: each time that the heap's lock is
//! released ([`turns`]), and while a cell's supply is asked for memory. Other threads then do what
//! comes next in the script before the call goes on. So a block that moves is seen after its
//! new place was allocated and before the old one is freed.
//!
//! A block belongs to nobody: every thread may resize and free what others have allocated, but for
//! what a call that was broken off is about.

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

/// Runs a script; gives how many calls of the heap it made.
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

/// Runs a script on a heap of some kind, whatever the setup says.
pub fn run_on<H: SyncHeap + 'static>(script: &Script) -> Result<usize, Box<Failure>> {
    let driver = Rc::new(Driver::<H>::new(script));
    catch(|| driver.run()).map_err(|message| {
        let (setup, calls) = (format!("{:?}", script.setup), driver.calls());
        Box::new(Failure { message, setup, calls })
    })?;
    Ok(driver.calls_made())
}

/// [`run`], and finds a shorter script if that fails.
pub fn check(script: &Script) -> Result<usize, Box<Failure>> {
    run(script).map_err(|failure| Box::new(minimise(script.clone(), *failure, run).1))
}
