//! A board with two kinds of RAM: little that is fast, and much that is slow.
//!
//! Small and busy things go to the fast memory as long as there is room, by default, since it is claimed first. The
//! picture asks for the large memory, and the buffer of a peripheral for memory that this can reach.
//!
//! ```sh
//! cargo run --example two_memories
//! ```

use allocator_api2::vec::Vec;
use talloc_global::{
    kinds::{InKinds, Kind, Kinds},
    *,
};

/// Inside the chip; peripherals reach it.
const INTERNAL: Kind = Kind::DEFAULT;
/// Outside, behind a bus.
const EXTERNAL: Kind = Kind::new(1);

/// On a board, these are sections of the linker script.
static mut INTERNAL_RAM: [u8; 16 << 10] = [0; 16 << 10];
static mut EXTERNAL_RAM: [u8; 256 << 10] = [0; 256 << 10];

/// On a board with interrupt handlers that allocate, a `TallocCritical`.
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
    println!("a larger buffer: {}", if no_more { "not to be had" } else { "allocated" });

    queue.extend(0..10_000);
    println!("the queue is {}, now that it is long", place_of(&queue[0]));
    Ok(())
}

/// Where something lies.
fn place_of<T>(thing: &T) -> &'static str {
    match HEAP.0.lock().inspect().kind_at(std::ptr::from_ref(thing).addr()) {
        Some(INTERNAL) => "in the internal memory",
        Some(EXTERNAL) => "in the external memory",
        _ => "elsewhere",
    }
}
