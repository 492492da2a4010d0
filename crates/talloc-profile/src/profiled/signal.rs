//! A profile on a signal.

use super::Profiled;
use signal_hook::iterator::{Handle, Signals};
use std::ffi::c_int;
use std::io;
use std::path::PathBuf;
use std::thread::{Builder, JoinHandle};

impl<A: Sync> Profiled<A> {
    /// [Writes](Profiled::write) a profile each time that the process receives a signal, such as `SIGUSR2`, as long
    /// as the value that this returns lives: keep it in `main`.
    ///
    /// The signal's handler only wakes a thread, which writes the file. So a signal may come at any time, also while
    /// a block is allocated. If the file cannot be written, a line on the standard error says why. Signals that come
    /// while one is written are answered by one more.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started, or the signal cannot be handled.
    ///
    /// # Panics
    ///
    /// If `signal` is `SIGKILL`, `SIGSTOP`, `SIGILL`, `SIGFPE` or `SIGSEGV`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::alloc::System;
    /// use talloc_profile::{DEFAULT_INTERVAL, Profiled};
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: Profiled<System> = Profiled::new(System);
    ///
    /// fn main() -> std::io::Result<()> {
    ///     ALLOCATOR.start(DEFAULT_INTERVAL);
    ///     // `kill -USR2 PID` writes it.
    ///     let _profile = ALLOCATOR.on_signal(signal_hook::consts::SIGUSR2, "heap.pb.gz")?;
    ///     // The program.
    ///     Ok(())
    /// }
    /// ```
    pub fn on_signal(
        &'static self,
        signal: c_int,
        path: impl Into<PathBuf>,
    ) -> io::Result<OnSignal> {
        let mut signals = Signals::new([signal])?;
        let handle = signals.handle();
        let path = path.into();
        let write = move || {
            for _ in signals.forever() {
                if let Err(error) = self.write(&path) {
                    super::complain(&path, &error);
                }
            }
        };
        let thread = Builder::new().name("heap profile".to_owned()).spawn(write)?;
        Ok(OnSignal { handle, thread: Some(thread) })
    }
}

/// Writes a profile on a signal until it is dropped: see [`Profiled::on_signal`].
///
/// Afterwards the signal has no effect, unless another part of the program handles it.
pub struct OnSignal {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Drop for OnSignal {
    /// Waits for a profile that is being written.
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}
