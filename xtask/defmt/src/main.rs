//! Prints everything that a heap reports, by defmt and by `core::fmt`. `cargo xtask targets defmt` checks that both
//! texts are the same.
//!
//! On a machine with an operating system, the program is empty.

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod values;

#[cfg(target_os = "none")]
mod program {
    use core::panic::PanicInfo;

    // The transport of defmt, and its critical sections.
    use cortex_m as _;
    use cortex_m_rt::entry;
    use defmt_semihosting as _;
    use semihosting::process;

    #[entry]
    fn main() -> ! {
        crate::values::print_all();
        process::exit(0)
    }

    #[panic_handler]
    fn panic(_: &PanicInfo<'_>) -> ! {
        process::exit(1)
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
