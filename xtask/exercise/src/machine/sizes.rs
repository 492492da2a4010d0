//! The memory and the number of steps for each machine.

use talloc_exercise::{Fault, Plan};

/// The sizes for one class of machines.
struct Sizes {
    room: usize,
    heap: usize,
    steps: usize,
    align_log2: u32,
    entries: u32,
}

const SIZES: Sizes = if cfg!(machine = "microbit") {
    Sizes { room: 5 << 10, heap: 3 << 10, steps: 1000, align_log2: 6, entries: 30 }
} else if cfg!(machine = "lm3s6965evb") {
    Sizes { room: 24 << 10, heap: 16 << 10, steps: 4000, align_log2: 8, entries: 150 }
} else {
    Sizes { room: 128 << 10, heap: 128 << 10, steps: 4000, align_log2: 12, entries: 1000 }
};

/// The parameters of the program's own heap.
#[cfg(machine = "microbit")]
pub type Profile = talloc_global::config::Micro;
/// The parameters of the program's own heap.
#[cfg(machine = "lm3s6965evb")]
pub type Profile = talloc_global::config::RealTime;
/// The parameters of the program's own heap.
#[cfg(not(any(machine = "microbit", machine = "lm3s6965evb")))]
pub type Profile = talloc_global::config::Compact;

/// The memory of the heaps under test, in bytes. They use it one after the other.
pub const ROOM: usize = SIZES.room;

/// The memory of the program's own heap in bytes, if it is fixed.
#[cfg_attr(target_os = "unknown", expect(dead_code, reason = "that heap grows"))]
pub const HEAP: usize = SIZES.heap;

/// The plan for this machine.
pub fn plan(fault: Fault) -> Plan {
    Plan {
        steps: SIZES.steps,
        // With this limit, requests often fail in half of the room, but rarely in all of it.
        largest: ROOM / 10,
        align_log2: SIZES.align_log2,
        entries: SIZES.entries,
        ticks: SIZES.steps / 4,
        fault,
    }
}
