//! The global allocator over a static array that `main` gives it.
//!
//! `main` is the C one, because Rust's own start-up code allocates before it calls a Rust `main`:
//! on Linux the name of the main thread. Where the heap must have memory that early, let it fetch
//! it by itself; see `StaticTalloc`.
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
    // initialize it later...
    // SAFETY: Nothing else uses the array.
    unsafe { ALLOCATOR.0.lock().init((&raw mut ARENA).into()) };

    let squares: Vec<u32> = (1..=10).map(|n| n * n).collect();
    let text = format!("{squares:?}");

    // Not to the standard output, whose buffer of 1024 bytes would not fit.
    eprintln!("{text}");
    let within = ALLOCATOR.0.lock().get_arena().contains_ptr(text.as_ptr().cast_mut());
    eprintln!("allocated in the arena: {within}");

    let refused = Vec::<u8>::new().try_reserve(1000).is_err();
    eprintln!("no more than there is: {refused}");
    i32::from(!within || !refused)
}
