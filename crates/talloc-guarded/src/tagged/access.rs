//! Accesses by pointers whose tag is not that of the memory.

use super::extent::{GRANULE, PAGE};
use super::thread;
use crate::handler::{Reaction, Reporting, Subject};
use crate::report::{Action, Fault};
use crate::sampler;
use crate::sys::tags;
use crate::tags::Tags;

/// Handles a fault, in a signal handler. The address has the pointer's tag. Returns whether the access may be tried
/// again.
pub fn handle(pointer: usize, action: Action) -> bool {
    let addr = tags::address(pointer);
    // SAFETY: The processor has read the tag, too.
    let memory = unsafe { tags::of_memory(addr) };
    let tags = Tags { pointer: tags::of_pointer(pointer), memory };
    let fault = diagnose(addr, tags);
    // If the handler of reports faults, that is for the handler before this one.
    let Some(reporting) = Reporting::begin() else { return false };
    match sampler::paused(|| reporting.report(action, addr, fault, Subject::Tags(tags))) {
        Reaction::Abort => std::process::abort(),
        Reaction::Continue => {
            thread::stop_checking();
            true
        }
    }
}

/// What is wrong with an access, as far as the granules beside it tell, on the same page.
fn diagnose(addr: usize, tags: Tags) -> Fault {
    // SAFETY: There is memory on this page.
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
