//! Puts the allocator through everything that this machine can do, and says what that was.
//!
//! Ends with the status 0, or with 1 and a message if anything is wrong. Its argument names a
//! [`Fault`]: what is wrong then must be found.

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

/// The memory of the other heaps, one after the other.
static mut ROOM: [MaybeUninit<u8>; machine::ROOM] = [MaybeUninit::uninit(); machine::ROOM];

/// Prints as `print!` does.
macro_rules! say {
    ($($part:tt)*) => { machine::print(format_args!($($part)*)) };
}

/// Does everything. Returns only if nothing is wrong.
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

/// Puts a heap with these parameters through everything. Returns how many steps that was.
fn own_heap<C: Config>(name: &str, plan: &Plan) -> usize {
    let room = &raw mut ROOM;
    // SAFETY: It is the only reference, as this function is not called from within itself.
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

/// Allocates while the timer's interrupts do. Returns how many steps that was.
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

/// Bytes that are allocated of the program's heap.
fn used() -> usize {
    let report = HEAP.with(|heap| heap.verify());
    report.unwrap_or_else(|violation| panic!("{violation}")).used_bytes
}

#[cfg(not(any(target_os = "none", target_os = "unknown")))]
fn main() {
    machine::main();
}
