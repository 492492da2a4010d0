//! Which memory there is, by what the loader says.

use core::ops::Deref;
use core::ptr;

use talloc_global::Span;

/// Memory below this is left alone: the trampoline of other cores lies there.
const LOW: usize = 0x1_0000;

/// Memory above this is not mapped; see `boot.s`.
const MAPPED: usize = 8 << 30;

/// What is smaller is not worth an arena.
const MIN_REGION: usize = 16 << 10;

/// Regions that can be used.
pub struct Regions {
    spans: [Span; 16],
    count: usize,
}

/// What the loader of the PVH protocol leaves, from its version 1 on.
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

/// A piece of the machine's addresses, and what it is.
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

/// All memory but that of the kernel itself, the lowest first.
///
/// It is noted elsewhere than in the loader's list, which lies in memory that will be the heap's.
pub fn regions(start_info: u32) -> Regions {
    let image = Span::from(&raw mut __image_start..&raw mut __image_end);
    let mut regions = Regions { spans: [Span::empty(); 16], count: 0 };
    for entry in map(start_info).iter().filter(|entry| entry.kind == MEMORY) {
        // The kernel lies within one of them, and divides it.
        let (below, above) = span(entry).above(LOW).below(MAPPED).except(image);
        regions.add(below);
        regions.add(above);
    }
    regions
}

/// The loader's list.
fn map(start_info: u32) -> &'static [Entry] {
    // The loader's addresses are physical ones, at which memory is mapped: nothing that Rust knows
    // of.
    let info = ptr::with_exposed_provenance::<StartInfo>(start_info as usize);
    // SAFETY: There the loader has put it, and nothing has been written to it.
    let info = unsafe { &*info };
    assert!(info.magic == MAGIC && info.version >= 1, "the loader leaves no map of the memory");
    let entries = ptr::with_exposed_provenance::<Entry>(info.map as usize);
    // SAFETY: As above; so many there are.
    unsafe { core::slice::from_raw_parts(entries, info.map_entries as usize) }
}

/// The addresses, with pointers through which they may be used: here memory comes into being, as
/// far as Rust is concerned.
fn span(entry: &Entry) -> Span {
    let start = ptr::with_exposed_provenance_mut::<u8>(entry.start as usize);
    Span::from(start..start.wrapping_add(entry.size as usize))
}

impl Regions {
    fn add(&mut self, span: Span) {
        if span.size() >= MIN_REGION {
            assert!(self.count < self.spans.len(), "there are more regions than can be noted");
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
