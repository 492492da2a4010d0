//! WebAssembly, in a host that provides a function to print.

mod memory;

pub use memory::check_memory;

use core::arch::wasm32;
use core::fmt::{self, Write};
use core::panic::PanicInfo;

use talloc_exercise::Fault;
use talloc_global::source::WasmSource;

pub const HAS_TIMER: bool = false;

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    /// Prints `len` bytes of UTF-8 from `start` on.
    fn print_text(start: *const u8, len: usize);
}

/// Runs the program with the fault of this number. Returns 0, or traps if a check fails.
#[unsafe(no_mangle)]
extern "C" fn run(fault: u32) -> i32 {
    let name = match fault {
        0 => None,
        1 => Some("overwrite"),
        _ => Some("leak"),
    };
    crate::run(Fault::named(name));
    0
}

pub fn print(text: fmt::Arguments<'_>) {
    struct Host;
    impl Write for Host {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            // SAFETY: The pointer and the length are those of a string.
            unsafe { print_text(text.as_ptr(), text.len()) };
            Ok(())
        }
    }
    Host.write_fmt(text).expect("printing cannot fail");
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    print(format_args!("{info}\n"));
    wasm32::unreachable()
}

pub fn start_timer() {}

pub fn stop_timer() {}

/// The module's memory, which can grow.
pub type Memory = WasmSource;

pub const MEMORY: Memory = WasmSource::new();
