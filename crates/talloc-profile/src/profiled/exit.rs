//! A profile at exit.

use super::Profiled;
use std::path::PathBuf;

impl<A> Profiled<A> {
    /// [Writes](Self::write) a profile when the value that this returns is dropped: keep it in `main`.
    ///
    /// If the program calls [`std::process::exit`], it is not dropped: see `at_process_exit`.
    ///
    /// A path that ends in `.txt` selects a list of leaks by call site. If the file cannot be written, an error
    /// message goes to the standard error.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # static ALLOCATOR: talloc_profile::Profiled<std::alloc::System> =
    /// #     talloc_profile::Profiled::new(std::alloc::System);
    /// let _profile = ALLOCATOR.at_exit("heap.pb.gz");
    /// let _leaks = ALLOCATOR.at_exit("leaks.txt");
    /// ```
    #[must_use = "the profile is written when this is dropped"]
    pub fn at_exit(&self, path: impl Into<PathBuf>) -> AtExit<'_, A> {
        AtExit { profiled: self, path: path.into() }
    }
}

/// Writes a profile when it is dropped: see [`Profiled::at_exit`].
pub struct AtExit<'a, A> {
    profiled: &'a Profiled<A>,
    path: PathBuf,
}

impl<A> Drop for AtExit<'_, A> {
    fn drop(&mut self) {
        if let Err(error) = self.profiled.write(&self.path) {
            super::complain(&self.path, &error);
        }
    }
}
