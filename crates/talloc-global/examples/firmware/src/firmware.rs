//! The main program.

use alloc::vec::Vec;
use core::panic::PanicInfo;

use semihosting::{eprintln, println, process};

use crate::log::Log;
use crate::{board, heap, sampler};

/// The number of samples to log.
const SAMPLES: u32 = 200;

pub fn run() -> ! {
    println!("at the start: {}", heap::report());
    heap::start_recording();
    board::start_timer();
    let mut log = Log::default();
    while log.samples < SAMPLES {
        match sampler::next() {
            // The interrupt handler allocated this sample. It is freed here.
            Some(sample) => log.add(&sample),
            // Allocates while waiting, so that interrupts occur during allocations.
            None => assert!(log.text().lines().all(|line| line.starts_with("sensor "))),
        }
    }
    board::stop_timer();
    println!("last line: {}", log.last());
    println!("readings of each sensor: {:?}", log.counts());
    println!("with the log: {}", heap::report());
    heap::take_snapshot();

    more_than_there_is();

    drop(log);
    heap::stop_recording();
    let (taken, dropped) = sampler::finish();
    assert!(taken == SAMPLES + dropped, "{taken} samples, of which {dropped} dropped");
    let report = heap::report();
    assert!(report.used_bytes == 0, "blocks are left: {report}");
    println!("at the end: {report}");
    println!("{}", heap::statistics());
    println!("passed: {taken} samples taken, {SAMPLES} logged, {dropped} too many");
    process::exit(0)
}

/// A request that is too large fails, and leaves the heap unchanged.
fn more_than_there_is() {
    let before = heap::report().used_bytes;
    let mut large = Vec::<u8>::new();
    let error = large.try_reserve(heap::report().arena_bytes).expect_err("the heap is smaller");
    println!("as much as all of the heap: {error}");
    assert!(heap::report().used_bytes == before, "a request that failed has left a block");
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    eprintln!("{info}");
    process::exit(1)
}
