//! Cortex-M, with its SysTick timer.

use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{ExceptionFrame, entry, exception};

pub const HAS_TIMER: bool = true;

/// Cycles between two interrupts, in which the program does a few operations.
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
    // SAFETY: Only this module uses the timer, and its handler does not access the registers.
    let timer = unsafe { &*SYST::PTR };
    // SAFETY: Clearing this register only stops the timer and its interrupt.
    unsafe { timer.csr.write(0) };
}

#[exception]
fn SysTick() {
    talloc_exercise::interrupt::tick(&crate::HEAP);
}

/// Without a handler, the fault would cause an endless loop.
// SAFETY: The handler only prints and exits, which is sound in any state of the program.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    panic!("{frame:?}")
}
