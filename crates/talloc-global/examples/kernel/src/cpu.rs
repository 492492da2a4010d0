//! Cores: how they start, and which one this is.

use core::arch::{asm, global_asm};
use core::hint;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::port;

/// At most so many cores are used.
pub const MAX_CORES: usize = 4;

global_asm!(
    include_str!("boot.s"),
    cpus = const MAX_CORES,
    stack = const 64 << 10,
    options(att_syntax)
);

unsafe extern "C" {
    /// How many have started, which is counted by `boot.s`.
    #[link_name = "started"]
    static STARTED: AtomicU32;
    #[link_name = "trampoline"]
    static TRAMPOLINE: u8;
    #[link_name = "trampoline_end"]
    static TRAMPOLINE_END: u8;
}

/// Where other cores start, in a page below 1 MiB.
const TRAMPOLINE_PAGE: usize = 0x8;

/// Each core has its own one in its register gs.
static NUMBERS: [usize; MAX_CORES] = {
    let mut numbers = [0; MAX_CORES];
    let mut number = 0;
    while number < MAX_CORES {
        numbers[number] = number;
        number += 1;
    }
    numbers
};

/// Notes which core this is.
pub fn set_number(number: usize) {
    const GS_BASE: u32 = 0xc000_0101;
    let base = (&raw const NUMBERS[number]).expose_provenance() as u64;
    // SAFETY: Nothing else uses that register.
    unsafe {
        asm!(
            "wrmsr",
            in("ecx") GS_BASE,
            in("eax") base as u32,
            in("edx") (base >> 32) as u32,
            options(nostack, preserves_flags)
        );
    }
}

/// Which core this is.
#[inline(always)]
pub fn number() -> usize {
    let number;
    // SAFETY: The register leads to the number, from before the core uses the heap.
    unsafe {
        asm!("mov {}, gs:[0]", out(reg) number, options(nostack, preserves_flags, pure, readonly));
    }
    number
}

/// Starts all other cores. Returns how many there are now.
pub fn start_others() -> u32 {
    let page = ptr::with_exposed_provenance_mut::<u8>(TRAMPOLINE_PAGE << 12);
    let (start, end) = (&raw const TRAMPOLINE, &raw const TRAMPOLINE_END);
    // SAFETY: The page is memory that nobody else uses, and what is copied ends there.
    unsafe { start.copy_to_nonoverlapping(page, end.addr() - start.addr()) };

    let all = machine_cores().min(MAX_CORES as u32);
    send_to_others(INIT);
    // Ten milliseconds, says the manual; here it is not that important.
    (0..1_000_000).for_each(|_| hint::spin_loop());
    send_to_others(START | TRAMPOLINE_PAGE as u32);
    // SAFETY: It is there, and atomic for whoever uses it.
    while unsafe { &STARTED }.load(Ordering::Acquire) < all {
        hint::spin_loop();
    }
    all
}

/// How many cores there are: what QEMU's firmware is told. On a real machine it is ACPI that knows.
fn machine_cores() -> u32 {
    const SELECT: u16 = 0x510;
    const DATA: u16 = 0x511;
    const CORES: u16 = 5;
    port::write_word(SELECT, CORES);
    u16::from_le_bytes([port::read(DATA), port::read(DATA)]).into()
}

/// To all other cores: reset, and begin at a page that has to be added.
const INIT: u32 = 0xc_4500;
const START: u32 = 0xc_4600;

/// Sends that by the core's interrupt controller.
fn send_to_others(command: u32) {
    // The address is the hardware's, of a register that starts sending when it is written to.
    let register = ptr::with_exposed_provenance_mut::<u32>(0xfee0_0300);
    // SAFETY: It is mapped, and written to by nobody else.
    unsafe { register.write_volatile(command) };
}

/// Does nothing any more.
pub fn halt() -> ! {
    loop {
        // SAFETY: There is nothing that would end it: interrupts are switched off.
        unsafe { asm!("hlt", options(nomem, nostack)) };
    }
}
