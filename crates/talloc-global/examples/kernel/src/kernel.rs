//! The kernel's main program.

use core::panic::PanicInfo;

use crate::port::{self, println};
use crate::{cpu, exhaust, heap, memory, work};

/// The entry point of each core, called by `boot.s`. `start_info` is the boot loader's structure, for the first core
/// only.
#[unsafe(no_mangle)]
extern "C" fn enter(number: u32, start_info: u32) -> ! {
    cpu::set_number(number as usize);
    match number {
        0 => first(start_info),
        _ => work::run(),
    }
    cpu::halt()
}

/// The work of the first core.
fn first(start_info: u32) {
    let regions = memory::regions(start_info);
    for region in regions.iter() {
        println!("memory: {region}, {} KiB", region.size() >> 10);
    }
    heap::claim(&regions);
    println!("heap: {}", heap::report());

    let cores = cpu::start_others();
    work::run();
    let parcels = work::wait_for(cores);
    println!("{cores} cores: {parcels} parcels, none lost");
    println!("heap: {}", heap::report());

    let blocks = exhaust::run();
    println!("exhausted after {blocks} blocks, and refused");

    let report = heap::flush();
    println!("heap: {report}");
    assert!(report.used_bytes == 0, "something has not been freed");
    println!("passed: {} arenas, all free again", report.arenas);
    port::exit(true)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    println!("{info}");
    port::exit(false)
}
