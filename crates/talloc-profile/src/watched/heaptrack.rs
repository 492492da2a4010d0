//! Reports to heaptrack, whose library is in the process while it records.

use std::ffi::{CStr, c_void};
use std::sync::OnceLock;

/// The functions of heaptrack's library for other allocators, declared in `heaptrack_api.h`.
#[derive(Clone, Copy)]
pub struct Heaptrack {
    malloc: unsafe extern "C" fn(*mut c_void, usize),
    free: unsafe extern "C" fn(*mut c_void),
}

impl Heaptrack {
    /// The functions, if the library is there.
    pub fn find() -> Option<Self> {
        static FOUND: OnceLock<Option<Heaptrack>> = OnceLock::new();
        *FOUND.get_or_init(|| {
            let (malloc, free) = (symbol(c"heaptrack_malloc")?, symbol(c"heaptrack_free")?);
            // SAFETY: These are the functions' types in heaptrack's own header.
            unsafe {
                Some(Self {
                    malloc: std::mem::transmute::<
                        *mut c_void,
                        unsafe extern "C" fn(*mut c_void, usize),
                    >(malloc),
                    free: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(
                        free,
                    ),
                })
            }
        })
    }

    pub fn allocated(self, block: *mut u8, size: usize) {
        // SAFETY: The function accepts any address, and does not access memory there.
        unsafe { (self.malloc)(block.cast(), size) }
    }

    pub fn freed(self, block: *mut u8) {
        // SAFETY: The function accepts any address, and does not access memory there.
        unsafe { (self.free)(block.cast()) }
    }
}

fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: The name is a C string.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}
