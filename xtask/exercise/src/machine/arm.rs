//! Cortex-M, with the timer that all of them have.

use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{ExceptionFrame, entry, exception};

pub const HAS_TIMER: bool = true;

/// Cycles from one interrupt to the next: a few operations of the program.
const PERIOD: u32 = if cfg!(machine = "mps2-an386") { 100_000 } else { 20_000 };

#[entry]
fn main() -> ! {
    super::start()
}

pub fn start_timer() {
    let mut timer = Peripherals::take().expect("nothing else uses them").SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(PERIOD - 1);
    timer.clear_current();
    timer.enable_interrupt();
    timer.enable_counter();
}

pub fn stop_timer() {
    // SAFETY: The timer is this module's. Its handler does not use it.
    let timer = unsafe { &*SYST::PTR };
    // SAFETY: The register has no more than the timer's switches, all off.
    unsafe { timer.csr.write(0) };
}

#[exception]
fn SysTick() {
    talloc_exercise::interrupt::tick(&crate::HEAP);
}

/// What would otherwise be an endless loop.
// SAFETY: It ends the program, whatever state that is in.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    panic!("{frame:?}")
}
