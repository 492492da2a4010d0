//! A RISC-V hart, with the timer that machine mode has.

use core::ptr;

use riscv::interrupt::Interrupt;
use riscv::register::{mie, mstatus};
use riscv_rt::{TrapFrame, core_interrupt, entry, exception};

pub const HAS_TIMER: bool = true;

/// Ticks of the clock from one interrupt to the next: a few operations of the program.
const PERIOD: u64 = 10_000;

// Where the registers are, the linker script says.
unsafe extern "C" {
    /// When the next interrupt is.
    static mut MTIMECMP: [u32; 2];
    /// The clock.
    static MTIME: [u32; 2];
}

#[entry]
fn main() -> ! {
    super::start()
}

pub fn start_timer() {
    set_timer(now() + PERIOD);
    // SAFETY: The handler for what this lets in is below.
    unsafe {
        mie::set_mtimer();
        mstatus::set_mie();
    }
}

pub fn stop_timer() {
    // SAFETY: Nothing relies on these interrupts any more.
    unsafe { mie::clear_mtimer() };
}

#[core_interrupt(Interrupt::MachineTimer)]
fn timer() {
    talloc_exercise::interrupt::tick(&crate::HEAP);
    set_timer(now() + PERIOD);
}

/// What would otherwise be an endless loop.
#[exception(riscv::interrupt::Exception::LoadFault)]
fn load_fault(_: &TrapFrame) -> ! {
    panic!("a load of what is not there")
}

/// As above.
#[exception(riscv::interrupt::Exception::StoreFault)]
fn store_fault(_: &TrapFrame) -> ! {
    panic!("a store to what is not there")
}

fn now() -> u64 {
    let clock = &raw const MTIME;
    loop {
        // SAFETY: Reading the clock has no effect.
        let [high, low, again] =
            unsafe { [1, 0, 1].map(|word| ptr::read_volatile(clock.cast::<u32>().add(word))) };
        if high == again {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

fn set_timer(at: u64) {
    let compare = (&raw mut MTIMECMP).cast::<u32>();
    // Half-way, it must not be in the past.
    for (word, value) in [(1, u32::MAX), (0, at as u32), (1, (at >> 32) as u32)] {
        // SAFETY: That register is written here only.
        unsafe { ptr::write_volatile(compare.add(word), value) };
    }
}
