//! 32-bit RISC-V with the machine-mode timer.

use riscv::interrupt::Interrupt;
use riscv::register::{mie, mstatus};
use riscv_rt::{core_interrupt, entry};

/// Timer ticks between two interrupts.
const PERIOD: u64 = 10_000;

// The linker script defines these addresses. The low word comes first.
unsafe extern "C" {
    /// The time of the next interrupt.
    static mut MTIMECMP: [u32; 2];
    /// The current time.
    static MTIME: [u32; 2];
}

#[entry]
fn main() -> ! {
    crate::firmware::run()
}

pub fn start_timer() {
    set_timer(now() + PERIOD);
    // SAFETY: The handler of this interrupt is defined below, and no critical section is active.
    unsafe {
        mie::set_mtimer();
        mstatus::set_mie();
    }
}

pub fn stop_timer() {
    // SAFETY: No other code relies on these interrupts.
    unsafe { mie::clear_mtimer() };
}

#[core_interrupt(Interrupt::MachineTimer)]
fn timer() {
    set_timer(now() + PERIOD);
    crate::sampler::tick();
}

fn now() -> u64 {
    let clock = (&raw const MTIME).cast::<u32>();
    // SAFETY: The register is always readable, and reading it has no side effects.
    let read = |half| unsafe { clock.add(half).read_volatile() };
    loop {
        let (high, low) = (read(1), read(0));
        // If the high word has changed, the low word has wrapped around.
        if read(1) == high {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

fn set_timer(at: u64) {
    let compare = (&raw mut MTIMECMP).cast::<u32>();
    // SAFETY: Only this function writes the register. Setting the high word to its maximum first avoids an early
    // interrupt.
    unsafe {
        compare.add(1).write_volatile(u32::MAX);
        compare.write_volatile(at as u32);
        compare.add(1).write_volatile((at >> 32) as u32);
    }
}
