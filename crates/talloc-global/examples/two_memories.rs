//! A board with two kinds of RAM: a small, fast memory and a large, slow one.
//!
//! By default, the heap allocates from the fast memory as long as it has room, because it is claimed first. The picture
//! requests the large memory. The buffer is for a peripheral, and requests memory that the peripheral can access.
//!
//! ```sh
//! cargo run --example two_memories
//! ```

use allocator_api2::vec::Vec;
use talloc_global::{
    kinds::{InKinds, Kind, Kinds},
    *,
};

/// Internal RAM, which peripherals can access.
const INTERNAL: Kind = Kind::DEFAULT;
/// External RAM, behind a bus.
const EXTERNAL: Kind = Kind::new(1);

/// On a board, the linker script places these arrays.
static mut INTERNAL_RAM: [u8; 16 << 10] = [0; 16 << 10];
static mut EXTERNAL_RAM: [u8; 256 << 10] = [0; 256 << 10];

/// If interrupt handlers allocate, use a `TallocCritical` instead.
static HEAP: Tallock = Talloc::new().spin_lock();

fn main() -> Result<(), ArenaError> {
    // SAFETY: Nothing else uses the arrays.
    unsafe {
        let mut heap = HEAP.0.lock();
        heap.claim((&raw mut INTERNAL_RAM).into())?;
        heap.arenas_mut().claim_of_kind(
            EXTERNAL,
            (&raw mut EXTERNAL_RAM).into(),
            Memory::ZEROED,
        )?;
    }

    let mut queue = Vec::new_in(HEAP.allocator_api_ref());
    queue.extend(0..100_u32);
    println!("the queue is {}", place_of(&queue[0]));

    let mut picture = Vec::new_in(InKinds::new(&HEAP, Kinds::prefer(EXTERNAL)));
    picture.resize(320 * 240 * 2, 0_u8);
    println!("the picture is {}", place_of(&picture[0]));

    let mut buffer = Vec::new_in(InKinds::new(&HEAP, Kinds::only(INTERNAL)));
    buffer.resize(4096, 0_u8);
    println!("the buffer is {}", place_of(&buffer[0]));
    let no_more = buffer.try_reserve(1 << 16).is_err();
    println!("a larger buffer: {}", if no_more { "out of memory" } else { "allocated" });

    queue.extend(0..10_000);
    println!("the long queue is {}", place_of(&queue[0]));
    Ok(())
}

/// Returns where `thing` is stored.
fn place_of<T>(thing: &T) -> &'static str {
    match HEAP.0.lock().inspect().kind_at(std::ptr::from_ref(thing).addr()) {
        Some(INTERNAL) => "in the internal memory",
        Some(EXTERNAL) => "in the external memory",
        _ => "elsewhere",
    }
}
