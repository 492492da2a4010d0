//! WebAssembly, in a host that has a function to print with.

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

/// Runs the program, with the fault of that number. Returns 0; traps if anything is wrong.
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
            // SAFETY: That is where the text is.
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

/// The module's memory, which grows.
pub type Memory = WasmSource;

pub const MEMORY: Memory = WasmSource::new();
