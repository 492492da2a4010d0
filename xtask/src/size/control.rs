//! The size of the heap's own structure on this machine. On a 32-bit machine, it is the memory that the program
//! takes on a microcontroller.

use comfy_table::Table;
use talloc_core::{Compact, Micro, OwnedTalloc, RealTime, Tiny};

use super::table_of;

pub fn table() -> Table {
    let rows = [
        ("Compact", size_of::<OwnedTalloc<Compact>>()),
        ("RealTime", size_of::<OwnedTalloc<RealTime>>()),
        ("Micro", size_of::<OwnedTalloc<Micro>>()),
        ("Tiny", size_of::<OwnedTalloc<Tiny>>()),
    ];
    let heading = format!("bytes of the heap itself, {} bits", usize::BITS);
    table_of(["parameters", &heading], rows.map(|(name, size)| [name.to_owned(), size.to_string()]))
}
