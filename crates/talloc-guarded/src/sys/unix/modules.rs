//! Which executable or library an address belongs to.

use std::ffi::CStr;

/// An executable or library, and a place in it.
pub struct Module {
    /// The bytes after `len` are zero.
    path: [u8; 256],
    len: usize,
    offset: usize,
}

impl Module {
    fn new(path: &[u8], offset: usize) -> Self {
        let mut module = Self { path: [0; 256], len: path.len().min(255), offset };
        module.path[..module.len].copy_from_slice(&path[..module.len]);
        module
    }

    pub fn name(&self) -> &str {
        self.path[..self.len].utf8_chunks().next().map_or("", |chunk| chunk.valid())
    }

    /// Calls a function with the name of the function that the place is in. Returns whether that is known.
    pub fn with_symbol(&self, then: impl FnOnce(rustc_demangle::Demangle<'_>)) -> bool {
        let path = CStr::from_bytes_until_nul(&self.path);
        path.is_ok_and(|path| super::symbols::with_symbol(path, self.offset, then))
    }

    /// The address as it is in the file, which is what `addr2line` wants.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

/// The module that an address lies in. Nothing is allocated; the dynamic linker's lock is taken.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn module(addr: usize) -> Option<Module> {
    use std::ffi::{c_int, c_void};

    struct Search {
        addr: usize,
        found: Option<Module>,
    }

    unsafe extern "C" fn look(
        info: *mut libc::dl_phdr_info,
        _: usize,
        search: *mut c_void,
    ) -> c_int {
        // SAFETY: The linker passes a valid structure, and the search below. Its segments and its name are there as
        // long as the module is loaded.
        unsafe {
            let (info, search) = (&*info, &mut *search.cast::<Search>());
            let segments = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
            let offset = search.addr.wrapping_sub(info.dlpi_addr as usize);
            let is_inside = segments.iter().any(|segment| {
                segment.p_type == libc::PT_LOAD
                    && offset.wrapping_sub(segment.p_vaddr as usize) < segment.p_memsz as usize
            });
            if !is_inside {
                return 0;
            }
            let name = if info.dlpi_name.is_null() { c"" } else { CStr::from_ptr(info.dlpi_name) };
            search.found = Some(match name.to_bytes() {
                [] => executable(offset),
                name => Module::new(name, offset),
            });
            1
        }
    }

    let mut search = Search { addr, found: None };
    // SAFETY: The function does with the search what it may.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
    search.found
}

/// The program itself, which has no name for the dynamic linker.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn executable(offset: usize) -> Module {
    let mut module = Module::new(b"", offset);
    let path = c"/proc/self/exe".as_ptr();
    let room = module.path.len() - 1;
    // SAFETY: There is room for so many bytes, and a zero behind them.
    let len = unsafe { libc::readlink(path, module.path.as_mut_ptr().cast(), room) };
    module.len = usize::try_from(len).unwrap_or(0);
    module
}

/// The module that an address lies in. Nothing is allocated; the dynamic linker's lock is taken.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn module(addr: usize) -> Option<Module> {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: There is room for the answer, whose name is there as long as the module is loaded.
    unsafe {
        if libc::dladdr(std::ptr::without_provenance(addr), info.as_mut_ptr()) == 0 {
            return None;
        }
        let info = info.assume_init();
        let name = if info.dli_fname.is_null() { c"" } else { CStr::from_ptr(info.dli_fname) };
        Some(Module::new(name.to_bytes(), addr.wrapping_sub(info.dli_fbase.addr())))
    }
}
