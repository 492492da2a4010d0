//! A global allocator whose arena is a static array, claimed in `main`.
//!
//! `main` is the C function, because Rust's startup code allocates before it calls a Rust `main`: on Linux, the name of
//! the main thread. If the heap needs memory that early, use a source. See `StaticTalloc`.
//!
//! ```sh
//! cargo run --example global_static
//! ```

#![no_main]

use talloc_global::*;

#[global_allocator]
static ALLOCATOR: Tallock = Talloc::new().spin_lock();
static mut ARENA: [u8; 1000] = [0; 1000];

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    // SAFETY: Nothing else uses the array.
    unsafe { ALLOCATOR.0.lock().init((&raw mut ARENA).into()) };

    let squares: Vec<u32> = (1..=10).map(|n| n * n).collect();
    let text = format!("{squares:?}");

    // Prints to standard error, because the buffer of standard output, 1024 bytes, does not fit in the arena.
    eprintln!("{text}");
    let within = ALLOCATOR.0.lock().get_arena().contains_ptr(text.as_ptr().cast_mut());
    eprintln!("allocated in the arena: {within}");

    let refused = Vec::<u8>::new().try_reserve(1000).is_err();
    eprintln!("a block that does not fit is refused: {refused}");
    i32::from(!within || !refused)
}
