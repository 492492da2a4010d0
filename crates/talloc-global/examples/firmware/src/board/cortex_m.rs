//! Cortex-M, with its SysTick timer.

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};

/// Cycles between two interrupts.
const PERIOD: u32 = 20_000;

#[entry]
fn main() -> ! {
    crate::firmware::run()
}

pub fn start_timer() {
    let mut timer = cortex_m::Peripherals::take().expect("nothing else uses them").SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(PERIOD - 1);
    timer.clear_current();
    timer.enable_interrupt();
    timer.enable_counter();
}

pub fn stop_timer() {
    // SAFETY: Nothing else uses the timer now. Clearing the register only stops the timer and its interrupt.
    unsafe { (*SYST::PTR).csr.write(0) };
}

#[exception]
fn SysTick() {
    crate::sampler::tick();
}
