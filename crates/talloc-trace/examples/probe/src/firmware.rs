//! The program.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::panic::PanicInfo;

// The critical sections of a single core.
use cortex_m as _;
use cortex_m_rt::entry;
use semihosting::{eprintln, println, process};
use talloc_global::config::Micro;
use talloc_global::{Region, StaticArena, Talloc, TallocCritical};
use talloc_trace::Traced;

use crate::probe::Probe;

type Heap = TallocCritical<Micro, Region>;

static ARENA: StaticArena<{ 64 << 10 }> = StaticArena::new();

/// The heap, and the recorder around it. No interrupt handler allocates here: where one does, the recorder works in a
/// critical section, as that of `talloc-example-firmware`.
#[global_allocator]
static ALLOCATOR: Traced<Heap, Probe, spin::Mutex<()>> =
    Traced::new(TallocCritical::new(Talloc::with_source(ARENA.region())));

#[entry]
fn main() -> ! {
    assert!(ALLOCATOR.start(Probe::open()).is_ok(), "the trace has no beginning");
    let lines = log(100);
    assert!(ALLOCATOR.stop().is_some(), "the trace has no end");
    println!("{} lines, {} events lost", lines.len(), ALLOCATOR.lost());
    assert!(ALLOCATOR.lost() == 0, "the buffer of the channel is too small");
    println!("passed");
    process::exit(0)
}

/// Something that allocates.
fn log(number: u32) -> Vec<String> {
    let mut lines = Vec::new();
    for second in 0..number {
        let mut line = String::new();
        write!(line, "{second} s: {} degrees", 20 + second % 7).expect("a string takes all");
        lines.push(line);
    }
    lines
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    eprintln!("{info}");
    process::exit(1)
}
