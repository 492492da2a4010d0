//! Calls with invalid blocks.

use std::alloc::Layout;

use crate::handler::{Reaction, Reporting, Subject};
use crate::pool::{Phase, Pool, Slot};
use crate::report::{Action, CallStack, Fault};

/// Returns the slot of the live block that a call has passed, if the layout is right. Otherwise reports the error, and
/// returns `None` if the handler continues.
pub fn check(pool: &Pool, addr: usize, layout: Layout, action: Action) -> Option<usize> {
    match judge(pool, addr, layout) {
        Ok(number) => Some(number),
        Err((fault, slot)) => {
            report(action, addr, fault, slot.into());
            None
        }
    }
}

/// Frees the block of a slot. Reports an error if another thread has freed it first, or if bytes beside it have been
/// overwritten.
///
/// # Safety
///
/// [`check`] has found the block in the slot, and nobody uses it.
pub unsafe fn free(pool: &Pool, number: usize, addr: usize, action: Action) {
    let slot = pool.slot(addr).map(|(_, slot)| slot);
    if !pool.free(number, &CallStack::capture()) {
        report(action, addr, Fault::AlreadyFree, slot.into());
        return;
    }
    // SAFETY: This thread has freed the block, and has not given back the slot.
    unsafe {
        if let Some(at) = pool.damaged(number) {
            report(action, addr, Fault::Damaged { at }, slot.into());
        }
        pool.give_back(number);
    }
}

/// Resizes the block of a slot in place, if possible. Reports an error if bytes beside it have been overwritten.
///
/// # Safety
///
/// [`check`] has found the block in the slot, and the caller owns it.
pub unsafe fn resize(pool: &Pool, number: usize, new_size: usize, action: Action) -> bool {
    // SAFETY: The caller owns the block, by the contract of this function.
    unsafe {
        let Some(block) = pool.resizable(number, new_size) else { return false };
        if let Some(at) = pool.damaged(number) {
            let slot = pool.slot(block.addr).map(|(_, slot)| slot);
            report(action, block.addr, Fault::Damaged { at }, slot.into());
        }
        pool.resize(number, block, new_size)
    }
}

fn judge(pool: &Pool, addr: usize, layout: Layout) -> Result<usize, (Fault, Option<&Slot>)> {
    let Some((number, slot)) = pool.slot(addr) else { return Err((Fault::Foreign, None)) };
    let Some(block) = slot.block() else { return Err((Fault::Foreign, None)) };
    let fault = if block.distance(addr) != 0 {
        Fault::Foreign
    } else if slot.phase() == Phase::Freed {
        Fault::AlreadyFree
    } else if addr != block.addr {
        Fault::NotABlock
    } else if layout.size() != block.layout.size() {
        Fault::WrongSize
    } else if layout.align() != block.layout.align() {
        Fault::WrongAlign
    } else {
        return Ok(number);
    };
    Err((fault, Some(slot)))
}

/// Reports a bad call. Returns if the handler continues.
pub fn report(action: Action, addr: usize, fault: Fault, subject: Subject<'_>) {
    // A bad call in the handler of reports is not reported: that would not end.
    let Some(reporting) = Reporting::begin() else { std::process::abort() };
    if reporting.report(action, addr, fault, subject) == Reaction::Abort {
        std::process::abort();
    }
}
