//! Common code for machines without an operating system. They print and exit by semihosting.

use core::fmt;
use core::panic::PanicInfo;

use semihosting::process;
use talloc_exercise::Fault;
use talloc_global::Region;

use super::HEAP;

pub type Memory = Region;

// SAFETY: Nothing else uses the array.
pub const MEMORY: Region = unsafe { Region::of_array(&raw mut ARENA) };

static mut ARENA: [u8; HEAP] = [0; HEAP];

/// The largest size of all arguments together, in bytes.
const ARGUMENTS: usize = 64;

pub fn print(text: fmt::Arguments<'_>) {
    semihosting::print!("{text}");
}

/// The entry point after the machine has started.
pub fn start() -> ! {
    let arguments =
        semihosting::experimental::env::args::<ARGUMENTS>().expect("the arguments are short");
    let fault = (&arguments).nth(1).map(|name| name.expect("arguments are ASCII"));
    crate::run(Fault::named(fault));
    process::exit(0)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    print(format_args!("{info}\n"));
    process::exit(1)
}
