//! Statistics at exit, if the environment asks for them.

use crate::functions::LIBRARY;
use crate::heap::print_statistics_at_exit;

/// Registers what is printed when the library is loaded.
///
/// The heap would print its own statistics; these have the zone, too.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static REGISTER: extern "C" fn() = {
    extern "C" fn register() {
        // The heap registers its own first, if it is the first one that is used here.
        // SAFETY: The block is freed at once.
        unsafe { LIBRARY.free(LIBRARY.malloc(1)) };
        print_statistics_at_exit(|| LIBRARY.counters());
    }
    register
};
