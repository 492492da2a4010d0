//! The names under which C finds the functions.

/// Exports functions of this crate under names.
#[cfg(any(feature = "prefixed", all(feature = "override", not(test))))]
macro_rules! export {
    ($($name:literal: $function:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        const _: () = {
            // SAFETY: The function conforms to C's specification of the name.
            #[unsafe(export_name = $name)]
            unsafe extern "C" fn exported($($argument: $type),*) $(-> $result)? {
                #[allow(unused_unsafe, reason = "some functions are safe")]
                // SAFETY: The caller upholds the function's contract.
                unsafe { crate::$function($($argument),*) }
            }
        };
    )*};
}

/// The library's own names, which the header declares.
#[cfg(feature = "prefixed")]
mod prefixed {
    use core::ffi::{c_int, c_void};

    use crate::MallInfo2;

    export! {
        "tall_malloc": malloc(size: usize) -> *mut c_void;
        "tall_calloc": calloc(count: usize, size: usize) -> *mut c_void;
        "tall_realloc": realloc(ptr: *mut c_void, size: usize) -> *mut c_void;
        "tall_reallocarray":
            reallocarray(ptr: *mut c_void, count: usize, size: usize) -> *mut c_void;
        "tall_free": free(ptr: *mut c_void);
        "tall_free_sized": free_sized(ptr: *mut c_void, size: usize);
        "tall_free_aligned_sized":
            free_aligned_sized(ptr: *mut c_void, align: usize, size: usize);
        "tall_aligned_alloc": aligned_alloc(align: usize, size: usize) -> *mut c_void;
        "tall_memalign": memalign(align: usize, size: usize) -> *mut c_void;
        "tall_posix_memalign":
            posix_memalign(place: *mut *mut c_void, align: usize, size: usize) -> c_int;
        "tall_valloc": valloc(size: usize) -> *mut c_void;
        "tall_pvalloc": pvalloc(size: usize) -> *mut c_void;
        "tall_usable_size": malloc_usable_size(ptr: *mut c_void) -> usize;
        "tall_trim": malloc_trim(keep: usize) -> c_int;
        "tall_report": report(file: c_int) -> c_int;
        "tall_mallinfo2": mallinfo2() -> MallInfo2;
        "tall_malloc_info": malloc_info(options: c_int, stream: *mut c_void) -> c_int;
        "tall_malloc_stats": malloc_stats();
    }
}

/// The C library's names, and no others. Test programs keep the C library's functions.
#[cfg(all(feature = "override", not(test)))]
mod overriding {
    use core::ffi::{c_int, c_void};

    export! {
        "malloc": malloc(size: usize) -> *mut c_void;
        "calloc": calloc(count: usize, size: usize) -> *mut c_void;
        "realloc": realloc(ptr: *mut c_void, size: usize) -> *mut c_void;
        "reallocarray": reallocarray(ptr: *mut c_void, count: usize, size: usize) -> *mut c_void;
        "free": free(ptr: *mut c_void);
        "free_sized": free_sized(ptr: *mut c_void, size: usize);
        "free_aligned_sized": free_aligned_sized(ptr: *mut c_void, align: usize, size: usize);
        "aligned_alloc": aligned_alloc(align: usize, size: usize) -> *mut c_void;
        "memalign": memalign(align: usize, size: usize) -> *mut c_void;
        "posix_memalign":
            posix_memalign(place: *mut *mut c_void, align: usize, size: usize) -> c_int;
        "valloc": valloc(size: usize) -> *mut c_void;
        "pvalloc": pvalloc(size: usize) -> *mut c_void;
        "malloc_usable_size": malloc_usable_size(ptr: *mut c_void) -> usize;
        "malloc_trim": malloc_trim(keep: usize) -> c_int;
    }

    /// The operators that delete C++ objects of known size.
    #[cfg(all(feature = "checked", target_os = "linux", target_pointer_width = "64"))]
    mod cpp {
        use core::ffi::c_void;

        export! {
            "_ZdlPvm": delete_sized(ptr: *mut c_void, size: usize);
            "_ZdaPvm": delete_sized(ptr: *mut c_void, size: usize);
        }
    }

    /// The functions that are specific to the GNU C library. Programs that define `malloc` themselves
    /// call `__libc_malloc` from there; programs linked before 2017 may call `cfree`.
    #[cfg(target_os = "linux")]
    mod gnu {
        use core::ffi::{c_int, c_void};

        use crate::{MallInfo, MallInfo2};

        export! {
            "mallinfo": mallinfo() -> MallInfo;
            "mallinfo2": mallinfo2() -> MallInfo2;
            "malloc_info": malloc_info(options: c_int, stream: *mut c_void) -> c_int;
            "malloc_stats": malloc_stats();
            "mallopt": mallopt(parameter: c_int, value: c_int) -> c_int;
            "cfree": free(ptr: *mut c_void);
            "__libc_malloc": malloc(size: usize) -> *mut c_void;
            "__libc_calloc": calloc(count: usize, size: usize) -> *mut c_void;
            "__libc_realloc": realloc(ptr: *mut c_void, size: usize) -> *mut c_void;
            "__libc_free": free(ptr: *mut c_void);
            "__libc_memalign": memalign(align: usize, size: usize) -> *mut c_void;
            "__libc_valloc": valloc(size: usize) -> *mut c_void;
            "__libc_pvalloc": pvalloc(size: usize) -> *mut c_void;
            "__libc_mallinfo": mallinfo() -> MallInfo;
            "__libc_mallopt": mallopt(parameter: c_int, value: c_int) -> c_int;
        }
    }
}
