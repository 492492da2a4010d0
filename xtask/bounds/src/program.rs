//! The program that runs once the machine has started.

use core::panic::PanicInfo;

use cortex_m_rt::entry;
use semihosting::{eprintln, println, process};
use talloc_global::OwnedTalloc;
use talloc_global::config::{Compact, Config, Micro, RealTime, Tiny};

use crate::clock::Clock;
use crate::heap::Heap;
use crate::peers::{Talc5, Tlsf};
use crate::scripts;
use crate::trial::{NAMES, Tallies};

/// The largest size of all arguments together, in bytes.
const ARGUMENTS: usize = 64;

#[entry]
fn main() -> ! {
    let arguments =
        semihosting::experimental::env::args::<ARGUMENTS>().expect("the arguments are short");
    let mut arguments = (&arguments).skip(1).map(|argument| argument.expect("arguments are ASCII"));
    let name = arguments.next().expect("the first argument is the name of a heap");
    let size = arguments.next().expect("the second argument is the memory in KiB");
    let size: usize = size.parse().expect("the memory is a number of KiB");

    let tallies = tally(name, size << 10);
    for (name, tally) in NAMES.iter().zip(tallies) {
        println!("{name}: {} {} {}", tally.count, tally.sum, tally.most);
    }
    println!("passed");
    process::exit(0)
}

/// Measures the operations of the heap with this name.
fn tally(name: &str, size: usize) -> Tallies {
    match name {
        "tiny" => talloc::<Tiny>(size),
        "micro" => talloc::<Micro>(size),
        "real-time" => talloc::<RealTime>(size),
        "compact" => talloc::<Compact>(size),
        "talc5" => run::<Talc5>(size),
        "rlsf" => run::<Tlsf>(size),
        "linked-list" => run::<linked_list_allocator::Heap>(size),
        _ => panic!("there is no heap `{name}`"),
    }
}

fn talloc<C: Config>(size: usize) -> Tallies {
    run::<OwnedTalloc<C>>(size)
}

fn run<H: Heap>(size: usize) -> Tallies {
    let peripherals = cortex_m::Peripherals::take().expect("nothing else uses them");
    scripts::run::<H>(&Clock::new(peripherals.SYST), size)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    eprintln!("{info}");
    process::exit(1)
}
