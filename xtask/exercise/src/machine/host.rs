//! A machine with an operating system, to test the program itself.

use core::fmt;

use talloc_exercise::Fault;
use talloc_global::Region;

use super::HEAP;

pub const HAS_TIMER: bool = false;

pub type Memory = Region;

// SAFETY: Nothing else uses the array.
pub const MEMORY: Region = unsafe { Region::of_array(&raw mut ARENA) };

static mut ARENA: [u8; HEAP] = [0; HEAP];

pub fn main() {
    // Exits with 1, as on the other machines. Printing a backtrace would allocate from a heap that may be corrupted.
    std::panic::set_hook(Box::new(|info| {
        println!("{info}");
        std::process::exit(1)
    }));
    let fault = std::env::args().nth(1);
    crate::run(Fault::named(fault.as_deref()));
}

pub fn print(text: fmt::Arguments<'_>) {
    print!("{text}");
}

pub fn start_timer() {}

pub fn stop_timer() {}
