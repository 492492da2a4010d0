//! Counting instructions, by the processor's single-step trap.

/// Whether instructions can be counted on this machine.
pub const AVAILABLE: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use single_step::count;

/// Makes a call; the number of its instructions is not known.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn count<R>(call: impl FnOnce() -> R) -> (R, u64) {
    (call(), 0)
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod single_step {
    use std::arch::asm;
    use std::mem::MaybeUninit;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    static TRAPS: AtomicU64 = AtomicU64::new(0);

    extern "C" fn trap(_: libc::c_int) {
        TRAPS.fetch_add(1, Relaxed);
    }

    /// Makes a call and counts its instructions: the same number each time that it does the same.
    ///
    /// A signal is delivered for each instruction, so that a call takes a thousand times as long. Not for several
    /// threads at a time.
    pub fn count<R>(call: impl FnOnce() -> R) -> (R, u64) {
        install();
        let (result, steps) = steps_of(call);
        (result, steps.saturating_sub(own_steps()))
    }

    /// What an empty call takes.
    fn own_steps() -> u64 {
        static OWN: OnceLock<u64> = OnceLock::new();
        *OWN.get_or_init(|| steps_of(|| ()).1)
    }

    #[inline(never)]
    fn steps_of<R>(call: impl FnOnce() -> R) -> (R, u64) {
        let before = TRAPS.load(Relaxed);
        // SAFETY: The trap flag makes the processor trap after each instruction, which `install` has a handler for.
        unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
        let result = call();
        // SAFETY: This clears the flag again; no other one changes.
        unsafe { asm!("pushfq", "and qword ptr [rsp], -257", "popfq") };
        (result, TRAPS.load(Relaxed) - before)
    }

    fn install() {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        INSTALLED.get_or_init(|| {
            // SAFETY: All zeros is a valid `sigaction`; the handler does nothing but an atomic addition.
            unsafe {
                let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
                action.sa_sigaction = trap as extern "C" fn(libc::c_int) as libc::sighandler_t;
                action.sa_flags = libc::SA_RESTART;
                assert_eq!(libc::sigaction(libc::SIGTRAP, &action, std::ptr::null_mut()), 0);
            }
        });
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn more_work_takes_more_steps_and_the_same_takes_as_many() {
            let work = |rounds: u64| {
                count(|| {
                    for round in 0..rounds {
                        std::hint::black_box(round);
                    }
                })
                .1
            };
            assert_eq!(work(100), work(100));
            assert!(work(200) >= work(100) + 100, "{} {}", work(100), work(200));
        }
    }
}
