//! Counting instructions: in QEMU, with `-icount`, time goes on by the same for each.

use core::arch::asm;
use core::sync::atomic::{Ordering, compiler_fence};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;

/// The timer counts down from here, and begins anew.
const LARGEST: u32 = 0xff_ffff;

/// Instructions between two loops by which the timer is compared with them.
const DIFFERENCE: u32 = 20_000;

pub struct Clock {
    /// Ticks of so many instructions.
    ticks: u32,
    /// Ticks from one reading to the next.
    nothing: u32,
}

impl Clock {
    /// # Panics
    ///
    /// If the timer does not count instructions.
    pub fn new(mut timer: SYST) -> Self {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(LARGEST);
        timer.clear_current();
        timer.enable_counter();
        let (_, nothing) = ticks(|| ());
        let of_loop = |rounds| ticks(|| spin(rounds)).1;
        // A round is two instructions.
        let clock = Self { ticks: of_loop(DIFFERENCE / 2 + 100) - of_loop(100), nothing };
        assert!(clock.ticks > 2 * DIFFERENCE, "the timer is too slow: {} ticks", clock.ticks);
        let counted = |rounds| clock.count(|| spin(rounds)).1;
        let (few, many) = (counted(100), counted(150));
        assert!(many - few == 100, "100 instructions are counted as {}", many - few);
        clock
    }

    /// Calls `f`. Returns how many instructions that took.
    #[inline(always)]
    pub fn count<T>(&self, f: impl FnOnce() -> T) -> (T, u32) {
        let (result, ticks) = ticks(f);
        let ticks = u64::from(ticks - self.nothing);
        let (one, half) = (u64::from(self.ticks), u64::from(self.ticks / 2));
        (result, ((ticks * u64::from(DIFFERENCE) + half) / one) as u32)
    }
}

/// Calls `f`. Returns how many ticks that took.
#[inline(always)]
fn ticks<T>(f: impl FnOnce() -> T) -> (T, u32) {
    let before = SYST::get_current();
    compiler_fence(Ordering::SeqCst);
    let result = f();
    compiler_fence(Ordering::SeqCst);
    let after = SYST::get_current();
    (result, before.wrapping_sub(after) & LARGEST)
}

#[inline(never)]
fn spin(rounds: u32) {
    // SAFETY: It counts, and does nothing else.
    unsafe {
        asm!("2:", "subs {0}, #1", "bne 2b", inout(reg) rounds => _, options(nomem, nostack));
    }
}
