//! Statistics at exit, if the environment requests them.

use crate::functions::LIBRARY;
use crate::heap::print_statistics_at_exit;

/// When the library is loaded, registers the statistics that are printed at exit.
///
/// They include the zone. The statistics that the heap itself registers do not.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static REGISTER: extern "C" fn() = {
    extern "C" fn register() {
        // A program that does not want statistics, and never calls the library, has no heap.
        // SAFETY: The name is a C string. No other thread runs yet that could change the environment.
        if unsafe { libc::getenv(c"TALLOC_STATS".as_ptr()) }.is_null() {
            return;
        }
        // The first allocation makes the heap register its own statistics. The call below replaces them.
        // SAFETY: `free` gets the block that `malloc` has just returned.
        unsafe { LIBRARY.free(LIBRARY.malloc(1)) };
        print_statistics_at_exit(|| LIBRARY.counters());
    }
    register
};
