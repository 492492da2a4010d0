//! A profile when the process exits, from wherever that is.

use super::{Profiled, complain};
use std::ffi::c_int;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Writes one profile.
type Write = Box<dyn Fn() + Send>;

/// What is written at exit, in the order of the calls of [`Profiled::at_process_exit`].
static WRITES: Mutex<Vec<Write>> = Mutex::new(Vec::new());

/// Whether the C library has taken the handler, once it has been asked.
static IS_REGISTERED: OnceLock<bool> = OnceLock::new();

impl<A: Sync> Profiled<A> {
    /// [Writes](Self::write) a profile when the process exits: when `main` returns, and also when any thread calls
    /// [`std::process::exit`]. Then the value of [`at_exit`](Self::at_exit) is not dropped.
    ///
    /// It can be called several times, for several paths: the files are written in that order. A path that ends in
    /// `.txt` selects a list of leaks by call site. A relative path is resolved at exit. If a file cannot be written, an
    /// error message goes to the standard error.
    ///
    /// Blocks that destructors in `main` free count as live if `exit` is called before. Other threads may still run while
    /// the profile is written. Nothing is written if the process is killed, or calls `abort`, `_exit` or `quick_exit`. A
    /// child of a fork writes, too, to the same path.
    ///
    /// # Errors
    ///
    /// If the C library has no room for the handler, which only happens if the program has registered many.
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
    ///     ALLOCATOR.at_process_exit(std::env::temp_dir().join("program.pb.gz"))?;
    ///     std::process::exit(0);
    /// }
    /// ```
    pub fn at_process_exit(&'static self, path: impl Into<PathBuf>) -> io::Result<()> {
        // SAFETY: `write_all` takes nothing, and is sound at any exit.
        if !IS_REGISTERED.get_or_init(|| unsafe { atexit(write_all) == 0 }) {
            return Err(io::Error::other("the C library takes no more exit handlers"));
        }
        let path = path.into();
        let write = move || {
            if let Err(error) = self.write(&path) {
                complain(&path, &error);
            }
        };
        WRITES.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(write));
        Ok(())
    }
}

unsafe extern "C" {
    /// Has the C library call a function when the process exits. Returns 0 if it will.
    fn atexit(f: extern "C" fn()) -> c_int;
}

/// Writes all profiles, once.
extern "C" fn write_all() {
    // The lock is released before anything is written.
    let writes = std::mem::take(&mut *WRITES.lock().unwrap_or_else(PoisonError::into_inner));
    writes.iter().for_each(|write| write());
}
