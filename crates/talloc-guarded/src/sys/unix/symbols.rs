//! The names of functions, from the symbol tables of modules.
//!
//! A file is mapped while its table is read, so that nothing is allocated.

use std::ffi::CStr;
use std::ptr;

use object::Endianness;
use object::elf::{SHT_DYNSYM, SHT_SYMTAB, STT_FUNC};
use object::read::elf::{FileHeader, Sym};
use rustc_demangle::{Demangle, demangle};
use rustix::fs::{self, Mode, OFlags};
use rustix::mm::{self, MapFlags, ProtFlags};

#[cfg(target_pointer_width = "64")]
type Header = object::elf::FileHeader64<Endianness>;
#[cfg(not(target_pointer_width = "64"))]
type Header = object::elf::FileHeader32<Endianness>;

/// Calls `then` with the name of the function at an offset of a module. Returns whether the module's file has a symbol for
/// it.
pub fn with_symbol(path: &CStr, offset: usize, then: impl FnOnce(Demangle<'_>)) -> bool {
    let Some(file) = File::map(path) else { return false };
    let find = |table| symbol(file.bytes(), table, offset as u64);
    let Some(name) = find(SHT_SYMTAB).or_else(|| find(SHT_DYNSYM)) else { return false };
    then(demangle(name));
    true
}

fn symbol(file: &[u8], table: u32, offset: u64) -> Option<&str> {
    let header = Header::parse(file).ok()?;
    let endian = header.endian().ok()?;
    let symbols = header.sections(endian, file).ok()?.symbols(endian, file, table).ok()?;
    let symbol = symbols.iter().find(|symbol| {
        let distance = offset.wrapping_sub(wide(symbol.st_value(endian)));
        symbol.st_type() == STT_FUNC && distance < wide(symbol.st_size(endian))
    })?;
    std::str::from_utf8(symbol.name(endian, symbols.strings()).ok()?).ok()
}

/// Widens a word of a file, whose width depends on the machine.
fn wide(word: impl Into<u64>) -> u64 {
    word.into()
}

/// A mapped file.
struct File {
    start: *const u8,
    len: usize,
}

impl File {
    fn map(path: &CStr) -> Option<Self> {
        let file = fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let len = usize::try_from(fs::fstat(&file).ok()?.st_size).ok()?;
        // SAFETY: The mapping is new. The system refuses the length 0 of an empty file.
        let start = unsafe {
            mm::mmap(ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE, &file, 0).ok()?
        };
        Some(Self { start: start.cast(), len })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: The mapping lives as long as `self`. Nobody writes to the file of a loaded module: the system refuses to
        // write to programs, and installers replace libraries by new files.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: `bytes` borrows `self`, so no reference to the mapping is left.
        let _ = unsafe { mm::munmap(self.start.cast_mut().cast(), self.len) };
    }
}
