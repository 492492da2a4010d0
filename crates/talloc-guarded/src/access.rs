//! Accesses to inaccessible pages.

use crate::handler::{Reaction, Reporting};
use crate::pool::{Phase, Pool, Slot};
use crate::report::{Action, Fault, Position};
use crate::sampler;
use crate::sys::tags;

/// Handles a fault at an address, in a signal handler. Returns whether the access may be tried again; false if the
/// fault has another cause.
pub fn handle(addr: usize, action: Action) -> bool {
    let addr = tags::address(addr);
    let Some(pool) = Pool::around(addr) else { return false };
    let Some((fault, slot)) = diagnose(pool, addr) else { return false };
    // A fault in the handler of reports is left to the previous handler of the signal.
    let Some(reporting) = Reporting::begin() else { return false };
    match sampler::paused(|| reporting.report(action, addr, fault, slot.into())) {
        Reaction::Abort => std::process::abort(),
        Reaction::Continue => pool.open(addr),
    }
}

/// Returns the error of an access, and the nearest block. `None` if the access is within a live block: the program itself
/// has then changed the protection of the block's pages.
fn diagnose(pool: &Pool, addr: usize) -> Option<(Fault, Option<&Slot>)> {
    let near = pool.candidates(addr).filter_map(|slot| Some((slot.block()?, slot)));
    let Some((block, slot)) = near.min_by_key(|(block, _)| block.distance(addr)) else {
        return Some((Fault::Foreign, None));
    };
    let fault = match (slot.phase(), block.position(addr)) {
        (Phase::Freed, _) => Fault::UseAfterFree,
        (_, Position::Within { .. }) => return None,
        (_, Position::Beyond { .. }) => Fault::Overflow,
        (_, Position::Before { .. }) => Fault::Underflow,
    };
    Some((fault, Some(slot)))
}
