//! RISC-V of 32 bits, with the timer of its machine mode.

use riscv::interrupt::Interrupt;
use riscv::register::{mie, mstatus};
use riscv_rt::{core_interrupt, entry};

/// Ticks of the clock from one interrupt to the next.
const PERIOD: u64 = 10_000;

// Where they are, the linker script says; the lower half comes first.
unsafe extern "C" {
    /// When the next interrupt is.
    static mut MTIMECMP: [u32; 2];
    /// The clock.
    static MTIME: [u32; 2];
}

#[entry]
fn main() -> ! {
    crate::firmware::run()
}

pub fn start_timer() {
    set_timer(now() + PERIOD);
    // SAFETY: The handler of what this lets in is below.
    unsafe {
        mie::set_mtimer();
        mstatus::set_mie();
    }
}

pub fn stop_timer() {
    // SAFETY: Nothing waits for these interrupts any more.
    unsafe { mie::clear_mtimer() };
}

#[core_interrupt(Interrupt::MachineTimer)]
fn timer() {
    set_timer(now() + PERIOD);
    crate::sampler::tick();
}

fn now() -> u64 {
    let clock = (&raw const MTIME).cast::<u32>();
    // SAFETY: The clock's halves can be read at any time.
    let read = |half| unsafe { clock.add(half).read_volatile() };
    loop {
        let (high, low) = (read(1), read(0));
        // Else the lower half has just wrapped.
        if read(1) == high {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

fn set_timer(at: u64) {
    let compare = (&raw mut MTIMECMP).cast::<u32>();
    // SAFETY: The register is written here only; half-way, it is not in the past.
    unsafe {
        compare.add(1).write_volatile(u32::MAX);
        compare.write_volatile(at as u32);
        compare.add(1).write_volatile((at >> 32) as u32);
    }
}
