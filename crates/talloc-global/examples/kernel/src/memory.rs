//! Finds the memory in the map that the boot loader provides.

use core::ops::Deref;
use core::ptr;

use talloc_global::Span;

/// Memory below this address is not used, because the trampoline of the other cores lies there.
const LOW: usize = 0x1_0000;

/// `boot.s` maps the memory below this address.
const MAPPED: usize = 8 << 30;

/// Smaller regions are not used as arenas.
const MIN_REGION: usize = 16 << 10;

/// The usable regions.
pub struct Regions {
    spans: [Span; 16],
    count: usize,
}

/// The structure that the boot loader passes. Version 1 added the memory map.
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    modules: u32,
    module_list: u64,
    command_line: u64,
    acpi: u64,
    map: u64,
    map_entries: u32,
    reserved: u32,
}

const MAGIC: u32 = 0x336e_c578;

/// An entry of the memory map.
#[repr(C)]
struct Entry {
    start: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

const MEMORY: u32 = 1;

unsafe extern "C" {
    static mut __image_start: u8;
    static mut __image_end: u8;
}

/// Returns all memory except that of the kernel, in the order of the map.
///
/// The result is a copy, because the map itself may lie in memory that the heap will use.
pub fn regions(start_info: u32) -> Regions {
    let image = Span::from(&raw mut __image_start..&raw mut __image_end);
    let mut regions = Regions { spans: [Span::empty(); 16], count: 0 };
    for entry in map(start_info).iter().filter(|entry| entry.kind == MEMORY) {
        // The kernel's image lies within an entry, and divides it.
        let (below, above) = span(entry).above(LOW).below(MAPPED).except(image);
        regions.add(below);
        regions.add(above);
    }
    regions
}

/// Returns the memory map of the boot loader.
fn map(start_info: u32) -> &'static [Entry] {
    // The boot loader passes physical addresses, which are mapped to themselves. No Rust object exists there, so the
    // pointers have exposed provenance.
    let info = ptr::with_exposed_provenance::<StartInfo>(start_info as usize);
    // SAFETY: The boot loader has put the structure there, and nothing has overwritten it.
    let info = unsafe { &*info };
    assert!(info.magic == MAGIC && info.version >= 1, "the loader leaves no map of the memory");
    let entries = ptr::with_exposed_provenance::<Entry>(info.map as usize);
    // SAFETY: The boot loader has put `map_entries` entries there, and nothing has overwritten them.
    unsafe { core::slice::from_raw_parts(entries, info.map_entries as usize) }
}

/// Returns the entry's memory as a span. No Rust object exists there, so the pointers have exposed provenance.
fn span(entry: &Entry) -> Span {
    let start = ptr::with_exposed_provenance_mut::<u8>(entry.start as usize);
    Span::from(start..start.wrapping_add(entry.size as usize))
}

impl Regions {
    fn add(&mut self, span: Span) {
        if span.size() >= MIN_REGION {
            assert!(self.count < self.spans.len(), "too many regions of memory");
            self.spans[self.count] = span;
            self.count += 1;
        }
    }
}

impl Deref for Regions {
    type Target = [Span];

    fn deref(&self) -> &[Span] {
        &self.spans[..self.count]
    }
}
