//! Slots of threads' own.

mod barrier;
mod exit;
mod number;

pub(super) use barrier::pass as barrier;

use crate::Place;

/// A slot that is the caller's own until its thread ends.
pub(super) fn claim() -> Option<Place> {
    let number = if barrier::is_available() { number::take() } else { None }?;
    if !exit::call_with(number) {
        number::release(number);
        return None;
    }
    // The number is this thread's until it ends, when it shares slots from then on before it releases the
    // number, and so has each thread that had it before.
    Some(Place::own(number))
}
