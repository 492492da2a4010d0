//! WebAssembly, in a host that has a function to print with.

use core::alloc::Layout;
use core::arch::wasm32;
use core::fmt::{self, Write};
use core::panic::PanicInfo;

use talloc_exercise::Fault;
use talloc_global::{AllocError, Config, Source, Span, Talloc};

pub const HAS_TIMER: bool = false;

const PAGE: usize = 64 << 10;

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
pub struct Memory;

pub const MEMORY: Memory = Memory;

impl<C: Config> Source<C> for Memory {
    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
        // What the block needs, whatever its alignment, and the bitmap.
        let bytes = (layout.size() + layout.align()).checked_add(layout.size() / 32);
        let pages = 1 + bytes.ok_or(AllocError)?.div_ceil(PAGE);
        let start = wasm32::memory_grow::<0>(pages).checked_mul(PAGE).ok_or(AllocError)?;
        let added = Span::try_from_base_size(start, pages * PAGE).ok_or(AllocError)?;
        let arena = heap.get_arena();
        // SAFETY: The memory is new, so that nobody else uses it.
        let given = unsafe {
            if arena.acme() == Some(start) {
                heap.try_extend(arena.fit_over(added))
            } else {
                heap.claim(added)
            }
        };
        given.map_err(|_| AllocError)
    }
}
