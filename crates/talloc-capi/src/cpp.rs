//! The operators that delete C++ objects of known size.
//!
//! The operators of the standard library ignore the size. These operators compare it with the size of the block: the sizes
//! differ if a program deletes an object as one of another type.
//!
//! A program may have its own `operator new` and `operator delete`, without sized variants. These operators then pass
//! objects on to the program's operator.

use core::ffi::c_void;
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use crate::functions::LIBRARY;

/// `operator delete(void*, std::size_t)`, also for arrays.
///
/// # Safety
///
/// `ptr` is null or was allocated by `operator new`, with this size. Nobody uses it any more.
pub unsafe extern "C" fn delete_sized(ptr: *mut c_void, size: usize) {
    type Delete = unsafe extern "C" fn(*mut c_void);
    let Some(own) = own_delete() else {
        // SAFETY: The standard library has allocated it by `malloc`, with one byte if the size is zero.
        return unsafe { LIBRARY.free_sized(ptr, size.max(1)) };
    };
    // SAFETY: `own` is the address of the program's operator, which has this type.
    unsafe { mem::transmute::<*mut c_void, Delete>(own)(ptr) }
}

/// Returns the `operator delete(void*)` of the program, if the program has its own, or has its own `operator new`.
fn own_delete() -> Option<*mut c_void> {
    static FOUND: AtomicPtr<c_void> = AtomicPtr::new(UNKNOWN);
    let mut found = FOUND.load(Relaxed);
    if found == UNKNOWN {
        found = find_delete();
        FOUND.store(found, Relaxed);
    }
    (!found.is_null()).then_some(found)
}

/// The value before the operator has been looked up. There is no function at this address.
const UNKNOWN: *mut c_void = ptr::without_provenance_mut(1);

#[cold]
fn find_delete() -> *mut c_void {
    // The program comes before this library, and the standard library after it.
    let [used, standard] = [libc::RTLD_DEFAULT, libc::RTLD_NEXT].map(|from| {
        // SAFETY: The names are C strings.
        [c"_ZdlPv", c"_Znwm"].map(|name| unsafe { libc::dlsym(from, name.as_ptr()) })
    });
    if used == standard { ptr::null_mut() } else { used[0] }
}
