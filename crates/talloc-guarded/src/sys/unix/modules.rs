//! The modules of a process: executables and libraries.

use std::ffi::CStr;

/// An executable or a library, and an offset in it.
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

    /// Calls `then` with the name of the function that contains the offset. Returns whether the name is known.
    pub fn with_symbol(&self, then: impl FnOnce(rustc_demangle::Demangle<'_>)) -> bool {
        let path = CStr::from_bytes_until_nul(&self.path);
        path.is_ok_and(|path| super::symbols::with_symbol(path, self.offset, then))
    }

    /// Returns the address as the file has it, which `addr2line` expects.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

/// Returns the module that contains an address. Takes the dynamic linker's lock, and does not allocate.
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
        // SAFETY: The linker passes a valid structure, and a pointer to the `Search` below. The segments and the name are
        // valid as long as the module is loaded.
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
    // SAFETY: `look` uses the pointer as a `Search`, which lives until the call returns.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
    search.found
}

/// Returns the executable, for which the dynamic linker has no name.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn executable(offset: usize) -> Module {
    let mut module = Module::new(b"", offset);
    let path = c"/proc/self/exe".as_ptr();
    let room = module.path.len() - 1;
    // SAFETY: The buffer has room for `room` bytes and a final zero.
    let len = unsafe { libc::readlink(path, module.path.as_mut_ptr().cast(), room) };
    module.len = usize::try_from(len).unwrap_or(0);
    module
}

/// Returns the module that contains an address. Takes the dynamic linker's lock, and does not allocate.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn module(addr: usize) -> Option<Module> {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: The structure has room for the answer. The name is valid as long as the module is loaded.
    unsafe {
        if libc::dladdr(std::ptr::without_provenance(addr), info.as_mut_ptr()) == 0 {
            return None;
        }
        let info = info.assume_init();
        let name = if info.dli_fname.is_null() { c"" } else { CStr::from_ptr(info.dli_fname) };
        Some(Module::new(name.to_bytes(), addr.wrapping_sub(info.dli_fbase.addr())))
    }
}
