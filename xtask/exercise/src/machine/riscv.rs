//! A RISC-V hart with the machine-mode timer.

use core::ptr;

use riscv::interrupt::Interrupt;
use riscv::register::{mie, mstatus};
use riscv_rt::{TrapFrame, core_interrupt, entry, exception};

pub const HAS_TIMER: bool = true;

/// Timer ticks between two interrupts, in which the program does a few operations.
const PERIOD: u64 = 10_000;

// The linker script defines these addresses.
unsafe extern "C" {
    /// The time of the next interrupt.
    static mut MTIMECMP: [u32; 2];
    /// The current time.
    static MTIME: [u32; 2];
}

#[entry]
fn main() -> ! {
    super::start()
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
    talloc_exercise::interrupt::tick(&crate::HEAP);
    set_timer(now() + PERIOD);
}

/// Without a handler, the fault would cause an endless loop.
#[exception(riscv::interrupt::Exception::LoadFault)]
fn load_fault(_: &TrapFrame) -> ! {
    panic!("a load from an invalid address")
}

/// Like [`load_fault`], for stores.
#[exception(riscv::interrupt::Exception::StoreFault)]
fn store_fault(_: &TrapFrame) -> ! {
    panic!("a store to an invalid address")
}

fn now() -> u64 {
    let clock = &raw const MTIME;
    loop {
        // SAFETY: The register is always readable, and reading it has no side effects.
        let [high, low, again] =
            unsafe { [1, 0, 1].map(|word| ptr::read_volatile(clock.cast::<u32>().add(word))) };
        if high == again {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

fn set_timer(at: u64) {
    let compare = (&raw mut MTIMECMP).cast::<u32>();
    // Writes the high word first and last, so that no intermediate value is in the past.
    for (word, value) in [(1, u32::MAX), (0, at as u32), (1, (at >> 32) as u32)] {
        // SAFETY: Only this function writes this register.
        unsafe { ptr::write_volatile(compare.add(word), value) };
    }
}
