//! What a recorder knows about where and when it is.

use crate::flags::Flags;

/// What a recorder knows about threads, the time, and call stacks.
///
/// The functions are called from within the allocator. [`thread`](Self::thread) and [`time`](Self::time) are called
/// with the recorder's lock held. If one panics, the program aborts.
///
/// # Examples
///
/// A microcontroller with a clock:
///
/// ```
/// use talloc_trace::{Context, Flags};
/// # fn ticks() -> u64 { 0 }
///
/// struct Board;
///
/// impl Context for Board {
///     const FLAGS: Flags = Flags::TIMES;
///     const TICKS_PER_SECOND: u64 = 32_768;
///
///     fn time() -> u64 {
///         ticks()
///     }
/// }
/// ```
pub trait Context {
    /// [`Flags::TIMES`] and [`Flags::CALL_SITES`], if there is a clock and a way to know call stacks.
    const FLAGS: Flags = Flags::NONE;

    /// The rate of the clock; 0 without one.
    const TICKS_PER_SECOND: u64 = 0;

    /// Whether a call waits for the recorder's lock. If not, its event is lost instead.
    ///
    /// True for threads, which needs an [`enter`](Self::enter) that tells whether this thread has the lock itself.
    /// False where there is one thread: then whoever has the lock has been interrupted.
    const WAITS: bool = false;

    /// Marks that this thread is inside the recorder. Returns false if it was already.
    fn enter() -> bool {
        true
    }

    /// Marks that this thread is no longer inside the recorder.
    fn leave() {}

    /// The number of this thread.
    fn thread() -> u64 {
        0
    }

    /// The time in ticks.
    fn time() -> u64 {
        0
    }

    /// Writes the return addresses of the callers into `frames`, innermost first, and returns how many there are.
    fn call_site(frames: &mut [u64]) -> usize {
        let _ = frames;
        0
    }
}

/// The context of a machine with one thread, of which nothing else is known.
#[derive(Debug, Clone, Copy)]
pub struct Bare;

impl Context for Bare {}

#[cfg(feature = "std")]
pub use hosted::Hosted;

#[cfg(all(feature = "backtrace", not(windows)))]
pub use backtraces::Backtraces;

#[cfg(feature = "std")]
mod hosted {
    use super::{Context, Flags};
    use core::cell::Cell;
    use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::sync::OnceLock;
    use std::thread_local;
    use std::time::Instant;

    /// The context of a program with threads and a clock.
    ///
    /// Threads have the numbers 1, 2, 3 and so on in the order of their first events. Times are nanoseconds.
    #[derive(Debug, Clone, Copy)]
    pub struct Hosted;

    thread_local! {
        // Neither has a destructor, so that both can be used in those of other thread-locals.
        static INSIDE: Cell<bool> = const { Cell::new(false) };
        static NUMBER: Cell<u32> = const { Cell::new(0) };
    }

    static THREADS: AtomicU32 = AtomicU32::new(0);
    static ORIGIN: OnceLock<Instant> = OnceLock::new();

    impl Context for Hosted {
        const FLAGS: Flags = Flags::TIMES;
        const TICKS_PER_SECOND: u64 = 1_000_000_000;
        const WAITS: bool = true;

        fn enter() -> bool {
            !INSIDE.replace(true)
        }

        fn leave() {
            INSIDE.set(false);
        }

        fn thread() -> u64 {
            if NUMBER.get() == 0 {
                NUMBER.set(THREADS.fetch_add(1, Relaxed).wrapping_add(1));
            }
            NUMBER.get().into()
        }

        fn time() -> u64 {
            let origin = *ORIGIN.get_or_init(Instant::now);
            u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
        }
    }
}

#[cfg(all(feature = "backtrace", not(windows)))]
mod backtraces {
    use super::{Context, Flags, Hosted};

    /// [`Hosted`] with call stacks, by the crate `backtrace`.
    ///
    /// An event takes microseconds. Where the unwinder allocates, these allocations count as lost events.
    #[derive(Debug, Clone, Copy)]
    pub struct Backtraces;

    impl Context for Backtraces {
        const FLAGS: Flags = Hosted::FLAGS.with(Flags::CALL_SITES);
        const TICKS_PER_SECOND: u64 = Hosted::TICKS_PER_SECOND;
        const WAITS: bool = Hosted::WAITS;

        fn enter() -> bool {
            Hosted::enter()
        }

        fn leave() {
            Hosted::leave();
        }

        fn thread() -> u64 {
            Hosted::thread()
        }

        fn time() -> u64 {
            Hosted::time()
        }

        fn call_site(frames: &mut [u64]) -> usize {
            let mut depth = 0;
            let frame = |frame: &backtrace::Frame| {
                let Some(place) = frames.get_mut(depth) else { return false };
                *place = frame.ip().addr() as u64;
                depth += 1;
                true
            };
            // SAFETY: Outside of Windows the unwinder needs no synchronisation. The crate's lock must not be taken: a
            // thread that has it may be waiting for the recorder's.
            unsafe { backtrace::trace_unsynchronized(frame) };
            depth
        }
    }
}
