//! Uses a leaked slice as an arena, through the `Allocator` trait.
//!
//! ```sh
//! cargo run --example arena
//! ```

use std::alloc::Layout;
use std::error::Error;

use talloc_global::*;

fn main() -> Result<(), Box<dyn Error>> {
    let arena = Box::leak(vec![0u8; 10000].into_boxed_slice());

    let tallock = Talloc::new().spin_lock();
    // SAFETY: The slice is leaked, and nothing else uses it.
    unsafe { tallock.0.lock().init(arena.into()) };

    let allocator = tallock.allocator_api_ref();

    let layout = Layout::array::<u32>(100)?;
    let block = allocator.allocate_zeroed(layout).map_err(|_| AllocError)?;
    println!("{} bytes of zeros", block.len());

    let larger = Layout::array::<u32>(200)?;
    // SAFETY: The block was allocated with this layout, and the new layout is larger.
    let block = unsafe { allocator.grow(block.cast(), layout, larger) }.map_err(|_| AllocError)?;
    let report = tallock.0.lock().verify()?;
    println!("{} bytes in use, {} free", report.used_bytes, report.free_bytes);

    // SAFETY: The block was reallocated with this layout, and is not used any more.
    unsafe { allocator.deallocate(block.cast(), larger) };
    let report = tallock.0.lock().verify()?;
    println!("{} bytes in use, {} free", report.used_bytes, report.free_bytes);

    let too_large = allocator.allocate(Layout::array::<u8>(10000)?);
    println!("10000 bytes: {}", if too_large.is_ok() { "allocated" } else { "out of memory" });
    Ok(())
}
