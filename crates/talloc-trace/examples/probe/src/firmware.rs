//! The main program.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::panic::PanicInfo;

// Implements critical sections for a single core.
use cortex_m as _;
use cortex_m_rt::entry;
use semihosting::{eprintln, println, process};
use talloc_global::config::Micro;
use talloc_global::{Region, StaticArena, Talloc, TallocCritical};
use talloc_trace::Traced;

use crate::probe::Probe;

type Heap = TallocCritical<Micro, Region>;

static ARENA: StaticArena<{ 64 << 10 }> = StaticArena::new();

/// The heap and its recorder. No interrupt handler allocates here. If one does, use the recorder in critical sections,
/// as `talloc-example-firmware` does.
#[global_allocator]
static ALLOCATOR: Traced<Heap, Probe, spin::Mutex<()>> =
    Traced::new(TallocCritical::new(Talloc::with_source(ARENA.region())));

#[entry]
fn main() -> ! {
    assert!(ALLOCATOR.start(Probe::open()).is_ok(), "the trace did not start");
    let lines = log(100);
    assert!(ALLOCATOR.stop().is_some(), "the trace did not stop");
    println!("{} lines, {} events lost", lines.len(), ALLOCATOR.lost());
    assert!(ALLOCATOR.lost() == 0, "the channel's buffer is too small");
    println!("passed");
    process::exit(0)
}

/// Allocates a list of strings.
fn log(number: u32) -> Vec<String> {
    let mut lines = Vec::new();
    for second in 0..number {
        let mut line = String::new();
        write!(line, "{second} s: {} degrees", 20 + second % 7)
            .expect("writing to a string cannot fail");
        lines.push(line);
    }
    lines
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    eprintln!("{info}");
    process::exit(1)
}
