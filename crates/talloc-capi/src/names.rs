//! The names under which C finds the functions.

/// Exports a function of this crate under a name.
#[cfg(any(feature = "prefixed", all(feature = "override", not(test))))]
macro_rules! export {
    ($name:literal, $function:ident($($argument:ident: $type:ty),*) -> $result:ty) => {
        // SAFETY: The function is what C means by the name.
        #[unsafe(export_name = $name)]
        unsafe extern "C" fn $function($($argument: $type),*) -> $result {
            #[allow(unused_unsafe, reason = "some functions are safe")]
            // SAFETY: As the caller says.
            unsafe { crate::$function($($argument),*) }
        }
    };
}

/// Exports functions of this crate under two names, each if a feature says so.
macro_rules! export_both {
    ($(
        $prefixed:literal, $overriding:literal:
        $function:ident $arguments:tt -> $result:ty;
    )*) => {
        #[cfg(feature = "prefixed")]
        mod prefixed {
            use core::ffi::{c_int, c_void};
            $(export!($prefixed, $function $arguments -> $result);)*
        }

        // A test program has the C library's.
        #[cfg(all(feature = "override", not(test)))]
        mod overriding {
            use core::ffi::{c_int, c_void};
            $(export!($overriding, $function $arguments -> $result);)*
        }
    };
}

export_both! {
    "talloc_malloc", "malloc":
        malloc(size: usize) -> *mut c_void;
    "talloc_calloc", "calloc":
        calloc(count: usize, size: usize) -> *mut c_void;
    "talloc_realloc", "realloc":
        realloc(ptr: *mut c_void, size: usize) -> *mut c_void;
    "talloc_reallocarray", "reallocarray":
        reallocarray(ptr: *mut c_void, count: usize, size: usize) -> *mut c_void;
    "talloc_free", "free":
        free(ptr: *mut c_void) -> ();
    "talloc_free_sized", "free_sized":
        free_sized(ptr: *mut c_void, size: usize) -> ();
    "talloc_free_aligned_sized", "free_aligned_sized":
        free_aligned_sized(ptr: *mut c_void, align: usize, size: usize) -> ();
    "talloc_aligned_alloc", "aligned_alloc":
        aligned_alloc(align: usize, size: usize) -> *mut c_void;
    "talloc_memalign", "memalign":
        memalign(align: usize, size: usize) -> *mut c_void;
    "talloc_posix_memalign", "posix_memalign":
        posix_memalign(place: *mut *mut c_void, align: usize, size: usize) -> c_int;
    "talloc_valloc", "valloc":
        valloc(size: usize) -> *mut c_void;
    "talloc_pvalloc", "pvalloc":
        pvalloc(size: usize) -> *mut c_void;
    "talloc_usable_size", "malloc_usable_size":
        malloc_usable_size(ptr: *mut c_void) -> usize;
    "talloc_trim", "malloc_trim":
        malloc_trim(keep: usize) -> c_int;
}

/// The C library has nothing like this.
#[cfg(any(feature = "prefixed", all(feature = "override", not(test))))]
mod own {
    use core::ffi::c_int;

    export!("talloc_report", talloc_report(file: c_int) -> c_int);
}
