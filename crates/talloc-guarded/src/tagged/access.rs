//! Accesses by pointers whose tag differs from the memory's tag.

use super::extent::{GRANULE, PAGE};
use super::thread;
use crate::handler::{Reaction, Reporting, Subject};
use crate::report::{Action, Fault};
use crate::sampler;
use crate::sys::tags;
use crate::tags::Tags;

/// Handles a fault, in a signal handler. `pointer` includes the tag. Returns whether the access may be tried again.
pub fn handle(pointer: usize, action: Action) -> bool {
    let addr = tags::address(pointer);
    // SAFETY: The processor has compared the tag at this address, so there is memory.
    let memory = unsafe { tags::of_memory(addr) };
    let tags = Tags { pointer: tags::of_pointer(pointer), memory };
    let fault = diagnose(addr, tags);
    // A fault in the handler of reports is left to the previous handler of the signal.
    let Some(reporting) = Reporting::begin() else { return false };
    match sampler::paused(|| reporting.report(action, addr, fault, Subject::Tags(tags))) {
        Reaction::Abort => std::process::abort(),
        Reaction::Continue => {
            thread::stop_checking();
            true
        }
    }
}

/// Returns the kind of error of an access, judged by the adjacent granules on the same page.
fn diagnose(addr: usize, tags: Tags) -> Fault {
    // SAFETY: The address is on the same page as the access, so there is memory.
    let is_pointers = |addr| unsafe { tags::of_memory(addr) } == tags.pointer;
    if tags.pointer == 0 {
        Fault::Foreign
    } else if addr % PAGE >= GRANULE && is_pointers(addr - GRANULE) {
        Fault::Overflow
    } else if addr % PAGE < PAGE - GRANULE && is_pointers(addr + GRANULE) {
        Fault::Underflow
    } else {
        Fault::UseAfterFree
    }
}
