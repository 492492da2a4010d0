//! The heap's own structure, on this machine. On one of 32 bits, it is the memory that the program
//! takes on a microcontroller.

use comfy_table::Table;
use talloc_core::{Compact, Micro, RealTime, Talloc, Tiny};

use super::table_of;

pub fn table() -> Table {
    let rows = [
        ("Compact", size_of::<Talloc<Compact>>()),
        ("RealTime", size_of::<Talloc<RealTime>>()),
        ("Micro", size_of::<Talloc<Micro>>()),
        ("Tiny", size_of::<Talloc<Tiny>>()),
    ];
    let heading = format!("bytes of the heap itself, {} bits", usize::BITS);
    table_of(["parameters", &heading], rows.map(|(name, size)| [name.to_owned(), size.to_string()]))
}
