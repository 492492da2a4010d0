//! Writing without allocating.

use core::ffi::c_int;
use core::fmt;

/// An open file, by its number, to which text is written as it comes.
pub(crate) struct Fd(pub(crate) c_int);

impl fmt::Write for Fd {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            // SAFETY: The bytes can be read. If there is no such file, the call fails.
            let written = unsafe { libc::write(self.0, rest.as_ptr().cast(), rest.len()) };
            match usize::try_from(written) {
                Ok(written) => rest = rest.get(written..).ok_or(fmt::Error)?,
                Err(_) if errno::errno().0 == libc::EINTR => {}
                Err(_) => return Err(fmt::Error),
            }
        }
        Ok(())
    }
}
