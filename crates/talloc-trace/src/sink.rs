//! Where a trace goes.

/// Where a trace goes: a file, a socket, a debug probe, a ring buffer.
///
/// # Examples
///
/// ```
/// use talloc_trace::Sink;
///
/// /// Memory that a debugger reads out.
/// struct Buffer {
///     bytes: [u8; 4096],
///     used: usize,
/// }
///
/// impl Sink for Buffer {
///     fn write(&mut self, bytes: &[u8]) -> bool {
///         let Some(room) = self.bytes.get_mut(self.used..self.used + bytes.len()) else {
///             return false;
///         };
///         room.copy_from_slice(bytes);
///         self.used += bytes.len();
///         true
///     }
/// }
/// ```
pub trait Sink {
    /// Takes all of `bytes`, which are one record or the header, or nothing.
    ///
    /// Returns whether it took them. If not, the record is lost, and the trace says so in its next one.
    fn write(&mut self, bytes: &[u8]) -> bool;
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn write(&mut self, bytes: &[u8]) -> bool {
        (**self).write(bytes)
    }
}

/// A sink that writes to any [`Write`](std::io::Write).
///
/// Wrap a file in a [`BufWriter`](std::io::BufWriter). After the first error nothing more is written: what was
/// written up to there may end within a record.
#[cfg(feature = "std")]
#[derive(Debug)]
pub struct IoSink<W> {
    writer: W,
    error: Option<std::io::Error>,
}

#[cfg(feature = "std")]
impl<W: std::io::Write> IoSink<W> {
    /// A sink that writes to `writer`.
    pub const fn new(writer: W) -> Self {
        Self { writer, error: None }
    }

    /// Flushes the writer and returns it.
    ///
    /// # Errors
    ///
    /// The first error of a write, or that of the flush.
    pub fn finish(mut self) -> std::io::Result<W> {
        match self.error {
            Some(error) => Err(error),
            None => self.writer.flush().map(|()| self.writer),
        }
    }
}

#[cfg(feature = "std")]
impl<W: std::io::Write> Sink for IoSink<W> {
    fn write(&mut self, bytes: &[u8]) -> bool {
        if self.error.is_none() {
            self.error = self.writer.write_all(bytes).err();
        }
        self.error.is_none()
    }
}
