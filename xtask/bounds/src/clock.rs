//! Counts instructions. In QEMU with `-icount`, each instruction takes the same time.

use core::arch::asm;
use core::sync::atomic::{Ordering, compiler_fence};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;

/// The value from which the timer counts down, and to which it reloads.
const LARGEST: u32 = 0xff_ffff;

/// The difference in instructions between the two loops that calibrate the timer.
const DIFFERENCE: u32 = 20_000;

pub struct Clock {
    /// Ticks that [`DIFFERENCE`] instructions take.
    ticks: u32,
    /// Ticks that an empty measurement takes.
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

    /// Calls `f`. Returns its result and the number of instructions it took.
    #[inline(always)]
    pub fn count<T>(&self, f: impl FnOnce() -> T) -> (T, u32) {
        let (result, ticks) = ticks(f);
        let ticks = u64::from(ticks - self.nothing);
        let (one, half) = (u64::from(self.ticks), u64::from(self.ticks / 2));
        (result, ((ticks * u64::from(DIFFERENCE) + half) / one) as u32)
    }
}

/// Calls `f`. Returns its result and the number of ticks it took.
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
    // SAFETY: The code only decrements a register. It accesses neither memory nor the stack.
    unsafe {
        asm!("2:", "subs {0}, #1", "bne 2b", inout(reg) rounds => _, options(nomem, nostack));
    }
}
