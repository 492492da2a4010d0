//! Calls that pass what is no block.

use std::alloc::Layout;

use crate::handler::{Reaction, Reporting, Subject};
use crate::pool::{Phase, Pool, Slot};
use crate::report::{Action, CallStack, Fault};

/// Returns the slot of a live block that a call passes with its layout. Reports what is wrong if it is not one; if the
/// handler continues, returns none.
pub fn check(pool: &Pool, addr: usize, layout: Layout, action: Action) -> Option<usize> {
    match judge(pool, addr, layout) {
        Ok(number) => Some(number),
        Err((fault, slot)) => {
            report(action, addr, fault, slot.into());
            None
        }
    }
}

/// Frees the block of a slot. Reports that another thread has been faster, and bytes beside it that have been
/// overwritten.
///
/// # Safety
///
/// Nobody uses the block, which [`check`] has found in the slot.
pub unsafe fn free(pool: &Pool, number: usize, addr: usize, action: Action) {
    let slot = pool.slot(addr).map(|(_, slot)| slot);
    if !pool.free(number, &CallStack::capture()) {
        report(action, addr, Fault::AlreadyFree, slot.into());
        return;
    }
    // SAFETY: This thread has freed the block.
    unsafe {
        if let Some(at) = pool.damaged(number) {
            report(action, addr, Fault::Damaged { at }, slot.into());
        }
        pool.give_back(number);
    }
}

/// Gives the block of a slot another size without moving it, if that can be. Reports bytes beside it that have been
/// overwritten.
///
/// # Safety
///
/// The block, which [`check`] has found in the slot, is the caller's.
pub unsafe fn resize(pool: &Pool, number: usize, new_size: usize, action: Action) -> bool {
    // SAFETY: The block is the caller's, by the contract of this function.
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

/// Reports a call. Returns if the handler continues.
pub fn report(action: Action, addr: usize, fault: Fault, subject: Subject<'_>) {
    // A misuse in the handler of reports is not reported: there would be no end.
    let Some(reporting) = Reporting::begin() else { std::process::abort() };
    if reporting.report(action, addr, fault, subject) == Reaction::Abort {
        std::process::abort();
    }
}
