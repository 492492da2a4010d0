//! Runs all allocator tests that this machine supports, and prints what was done.
//!
//! Exits with 0, or with 1 and a message if a check fails. The argument names a [`Fault`], which must then be detected.

#![cfg_attr(any(target_os = "none", target_os = "unknown"), no_std, no_main)]

mod machine;

use core::mem::MaybeUninit;

use talloc_exercise::{Fault, Plan, collections, heaps, interrupt};
use talloc_global::config::{Compact, Config, Micro, RealTime};
use talloc_global::{Talloc, TallocCritical};

/// The program's own heap. Interrupt handlers use it, too.
#[global_allocator]
static HEAP: TallocCritical<machine::Profile, machine::Memory> =
    TallocCritical::new(Talloc::with_source(machine::MEMORY));

/// The memory of the heaps under test, which use it one after the other.
static mut ROOM: [MaybeUninit<u8>; machine::ROOM] = [MaybeUninit::uninit(); machine::ROOM];

/// Prints like `print!`.
macro_rules! say {
    ($($part:tt)*) => { machine::print(format_args!($($part)*)) };
}

/// Runs all tests. Returns only if they pass.
fn run(fault: Fault) {
    let plan = machine::plan(fault);
    let mut steps = own_heap::<Compact>("compact", &plan);
    steps += own_heap::<RealTime>("real-time", &plan);
    steps += own_heap::<Micro>("micro", &plan);
    let before = used();
    collections::check(plan.entries);
    assert_eq!(used(), before, "blocks of the collections are left");
    say!("collections: of up to {} entries\n", plan.entries);
    #[cfg(target_os = "unknown")]
    say!("memory: {} pages of it\n", machine::check_memory(&plan));
    if machine::HAS_TIMER {
        steps += interrupts(&plan);
    }
    say!("passed: {steps} steps\n");
}

/// Tests a heap with these parameters. Returns the number of steps.
fn own_heap<C: Config>(name: &str, plan: &Plan) -> usize {
    let room = &raw mut ROOM;
    // SAFETY: This is the only reference, because only one call of this function is active at a time.
    let room = unsafe { &mut *room };
    let counts = heaps::check::<C>(room, plan);
    say!(
        "{name}: {} steps in {} bytes, {} requests refused, {} blocks moved\n",
        counts.steps,
        machine::ROOM,
        counts.refused,
        counts.moved
    );
    counts.steps
}

/// Allocates while the timer's interrupt handler allocates, too. Returns the number of steps.
fn interrupts(plan: &Plan) -> usize {
    let before = used();
    if plan.fault != Fault::Silence {
        machine::start_timer();
    }
    let summary = interrupt::check(&HEAP, plan);
    machine::stop_timer();
    assert_eq!(used(), before, "blocks of the interrupts are left");
    say!(
        "interrupts: {} in {} steps, {} blocks handed over\n",
        summary.ticks,
        summary.steps,
        summary.handed_over
    );
    summary.ticks + summary.steps
}

/// The number of bytes allocated from the program's heap.
fn used() -> usize {
    let report = HEAP.with(|heap| heap.verify());
    report.unwrap_or_else(|violation| panic!("{violation}")).used_bytes
}

#[cfg(not(any(target_os = "none", target_os = "unknown")))]
fn main() {
    machine::main();
}
