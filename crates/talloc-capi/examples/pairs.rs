//! Allocates and frees blocks of one size, through C's functions or directly from the heap: `pairs c|heap PAIRS`.
//! `cargo xtask preload --instructions` counts the instructions.

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    unix::main()
}

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod unix {
    use std::alloc::{GlobalAlloc, Layout};
    use std::env;
    use std::hint::black_box;
    use std::process::ExitCode;

    use talloc_global::SystemTalloc;

    /// A size passed to `malloc`, and the size of the chunk, which includes a header.
    const SIZE: usize = 100;
    const BYTES: usize = 112;

    pub fn main() -> ExitCode {
        let [who, pairs] = [1, 2].map(|number| env::args().nth(number).unwrap_or_default());
        let Ok(pairs) = pairs.parse() else { return ExitCode::FAILURE };
        match who.as_str() {
            "c" => by_c(pairs),
            "heap" => by_the_heap(pairs),
            _ => return ExitCode::FAILURE,
        }
        ExitCode::SUCCESS
    }

    #[inline(never)]
    fn by_c(pairs: usize) {
        for _ in 0..pairs {
            let block = talloc_capi::malloc(black_box(SIZE));
            // SAFETY: The block was just allocated, and is freed once.
            unsafe { talloc_capi::free(black_box(block)) };
        }
    }

    #[inline(never)]
    fn by_the_heap(pairs: usize) {
        static HEAP: SystemTalloc = SystemTalloc::new();
        for _ in 0..pairs {
            // SAFETY: The alignment is a power of two, and the size is small.
            let layout = |size| unsafe { Layout::from_size_align_unchecked(size, 8) };
            // SAFETY: The size is not zero, and the block is freed once, with its layout.
            unsafe {
                let block = HEAP.alloc(layout(black_box(BYTES)));
                HEAP.dealloc(black_box(block), layout(black_box(BYTES)));
            }
        }
    }
}
