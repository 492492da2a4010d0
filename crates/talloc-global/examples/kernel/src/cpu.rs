//! Starting cores, and the number of the current core.

use core::arch::{asm, global_asm};
use core::hint;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::port;

/// The largest number of cores that are used.
pub const MAX_CORES: usize = 4;

global_asm!(
    include_str!("boot.s"),
    cpus = const MAX_CORES,
    stack = const 64 << 10,
    options(att_syntax)
);

unsafe extern "C" {
    /// The number of cores that have started. `boot.s` increments it.
    #[link_name = "started"]
    static STARTED: AtomicU32;
    #[link_name = "trampoline"]
    static TRAMPOLINE: u8;
    #[link_name = "trampoline_end"]
    static TRAMPOLINE_END: u8;
}

/// The page below 1 MiB where the other cores start.
const TRAMPOLINE_PAGE: usize = 0x8;

/// The numbers of the cores. The gs register of each core points to its number.
static NUMBERS: [usize; MAX_CORES] = {
    let mut numbers = [0; MAX_CORES];
    let mut number = 0;
    while number < MAX_CORES {
        numbers[number] = number;
        number += 1;
    }
    numbers
};

/// Sets the number of the current core.
pub fn set_number(number: usize) {
    const GS_BASE: u32 = 0xc000_0101;
    let base = (&raw const NUMBERS[number]).expose_provenance() as u64;
    // SAFETY: Nothing else uses the base of gs.
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

/// Returns the number of the current core.
#[inline(always)]
pub fn number() -> usize {
    let number;
    // SAFETY: `set_number` has set the base of gs before the core uses the heap.
    unsafe {
        asm!("mov {}, gs:[0]", out(reg) number, options(nostack, preserves_flags, pure, readonly));
    }
    number
}

/// Starts all other cores. Returns the number of all cores.
pub fn start_others() -> u32 {
    let page = ptr::with_exposed_provenance_mut::<u8>(TRAMPOLINE_PAGE << 12);
    let (start, end) = (&raw const TRAMPOLINE, &raw const TRAMPOLINE_END);
    // SAFETY: Nothing else uses the page, and the trampoline fits in it.
    unsafe { start.copy_to_nonoverlapping(page, end.addr() - start.addr()) };

    let all = machine_cores().min(MAX_CORES as u32);
    send_to_others(INIT);
    // The manual requires 10 milliseconds. In an emulator, the exact time does not matter.
    (0..1_000_000).for_each(|_| hint::spin_loop());
    send_to_others(START | TRAMPOLINE_PAGE as u32);
    // SAFETY: `boot.s` defines the counter, and accesses it only by atomic instructions.
    while unsafe { &STARTED }.load(Ordering::Acquire) < all {
        hint::spin_loop();
    }
    all
}

/// Returns the machine's number of cores, from QEMU's firmware configuration. On real hardware, ACPI provides it.
fn machine_cores() -> u32 {
    const SELECT: u16 = 0x510;
    const DATA: u16 = 0x511;
    const CORES: u16 = 5;
    port::write_word(SELECT, CORES);
    u16::from_le_bytes([port::read(DATA), port::read(DATA)]).into()
}

/// Commands to all other cores: reset, and start at a page, whose number is added to the command.
const INIT: u32 = 0xc_4500;
const START: u32 = 0xc_4600;

/// Sends a command through the local interrupt controller.
fn send_to_others(command: u32) {
    // This is the hardware address of a register. Writing it sends the command.
    let register = ptr::with_exposed_provenance_mut::<u32>(0xfee0_0300);
    // SAFETY: The register is mapped, and only this function writes it.
    unsafe { register.write_volatile(command) };
}

/// Stops the current core.
pub fn halt() -> ! {
    loop {
        // SAFETY: The core stops here and executes no more code, because interrupts are disabled.
        unsafe { asm!("hlt", options(nomem, nostack)) };
    }
}
