//! Events to bytes.

use crate::encoder::{Action, EncodeError, Encoder, Record};
use crate::event::{Event, Op};
use crate::flags::{Flags, Header, MAX_FRAMES, MAX_OBJECT_SIZE};
use crate::sink::Sink;
use std::collections::HashSet;
use std::io::{self, Seek, SeekFrom, Write};

/// Writes a trace event by event, without keeping it in memory.
///
/// Objects have ids, so that the trace is in the plain format where the flags allow that.
///
/// # Examples
///
/// See [the crate](crate#examples).
pub struct Writer<W> {
    output: Output<W>,
    encoder: Encoder<MAX_FRAMES>,
    header: Header,
    threads: HashSet<u64>,
}

impl<W: Write> Writer<W> {
    /// A streamed trace, which can be written to anything: a pipe, a compressor.
    ///
    /// # Errors
    ///
    /// If the header cannot be written.
    pub fn streaming(inner: W) -> io::Result<Self> {
        Self::with_flags(inner, Flags::STREAMED, 0)
    }

    /// A streamed trace with further flags, and the ticks per second of the clock.
    ///
    /// # Errors
    ///
    /// If the header cannot be written; [`io::ErrorKind::InvalidInput`] for [`Flags::ADDRESSES`].
    pub fn with_flags(inner: W, flags: Flags, ticks_per_second: u64) -> io::Result<Self> {
        let flags = flags | Flags::STREAMED;
        Self::new(inner, Header { flags, ticks_per_second, ..Header::default() })
    }

    fn new(inner: W, header: Header) -> io::Result<Self> {
        if header.flags.contains(Flags::ADDRESSES) {
            let message = "a writer names objects by their ids, not by their addresses";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let mut output = Output { inner, bytes: 0, error: None };
        let (bytes, size) = header.to_bytes();
        output.inner.write_all(&bytes[..size])?;
        Ok(Self { output, encoder: Encoder::new(header.flags), header, threads: HashSet::new() })
    }

    /// Writes an allocation by thread 0, and returns the object's id.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn alloc(&mut self, size: u64, align_log2: Option<u8>) -> io::Result<u64> {
        let id = self.encoder.objects();
        let event = event(Op::Alloc { id, size, zeroed: false, address: 0 });
        self.write(&Event { align_log2, ..event }, &[])?;
        Ok(id)
    }

    /// Writes a reallocation by thread 0.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn realloc(&mut self, id: u64, size: u64) -> io::Result<()> {
        self.write(&event(Op::Realloc { id, size, address: 0 }), &[])
    }

    /// Writes a free by thread 0.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn free(&mut self, id: u64) -> io::Result<()> {
        self.write(&event(Op::Free { id }), &[])
    }

    /// Writes an event. `frames` is its call stack, innermost first, of which the innermost
    /// [`MAX_FRAMES`] are kept.
    ///
    /// # Errors
    ///
    /// If the output fails; [`io::ErrorKind::InvalidInput`] if the event's object is not one that it could be
    /// about, or if the trace's flags do not allow the event.
    pub fn write(&mut self, event: &Event, frames: &[u64]) -> io::Result<()> {
        let action = self.action(event.op)?;
        let Event { thread, align_log2, time, .. } = *event;
        self.encode(&Record { action, thread, align_log2, time, frames })?;
        self.header.records += 1;
        self.threads.insert(thread);
        Ok(())
    }

    fn action(&self, op: Op) -> io::Result<Action> {
        Ok(match op {
            Op::Alloc { size, .. } | Op::Realloc { size, .. } if size > MAX_OBJECT_SIZE => {
                return Err(invalid("an object of more than 2^56 bytes"));
            }
            Op::Alloc { id, .. } if id != self.encoder.objects() => {
                return Err(invalid("allocations must have the ids 0, 1, 2 and so on"));
            }
            Op::Alloc { size, zeroed, address, .. } => Action::Alloc { size, zeroed, address },
            Op::Realloc { id, size, .. } => Action::Realloc { object: id, size },
            Op::Free { id } => Action::Free { object: id },
            Op::Refused { size } => Action::Refused { size },
            Op::Lost { count } => Action::Lost { count },
        })
    }

    fn encode(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.encoder.encode(record, &mut self.output).map_err(|error| match error {
            EncodeError::Sink => self
                .output
                .error
                .take()
                .unwrap_or_else(|| io::Error::other("an earlier write to the trace failed")),
            error => invalid(error),
        })
    }

    /// Ends a streamed trace, flushes the output and returns it.
    ///
    /// # Errors
    ///
    /// If the output fails; [`io::ErrorKind::InvalidInput`] for a trace that was begun by
    /// [`seekable`](Self::seekable).
    pub fn finish(mut self) -> io::Result<W> {
        let end = Action::End;
        let frames = &[];
        self.encode(&Record { action: end, thread: 0, align_log2: None, time: 0, frames })?;
        self.output.inner.flush()?;
        Ok(self.output.inner)
    }
}

impl<W: Write + Seek> Writer<W> {
    /// A trace in the plain format, whose header is completed at the end.
    ///
    /// # Errors
    ///
    /// If the header cannot be written.
    pub fn seekable(inner: W) -> io::Result<Self> {
        Self::new(inner, Header::default())
    }

    /// Completes the header of a [`seekable`](Self::seekable) trace, flushes the output and returns it.
    ///
    /// # Errors
    ///
    /// If the output fails.
    pub fn complete(mut self) -> io::Result<W> {
        let header = Header {
            record_bytes: self.output.bytes,
            objects: self.encoder.objects(),
            threads: self.threads.len() as u64,
            ..self.header
        };
        let back = self.output.bytes + header.size() as u64;
        let back = i64::try_from(back).map_err(|_| invalid("a trace of 2^63 bytes"))?;
        let (bytes, size) = header.to_bytes();
        let inner = &mut self.output.inner;
        inner.seek(SeekFrom::Current(-back))?;
        inner.write_all(&bytes[..size])?;
        inner.seek(SeekFrom::Current(back - size as i64))?;
        inner.flush()?;
        Ok(self.output.inner)
    }
}

fn event(op: Op) -> Event {
    Event { op, thread: 0, align_log2: None, time: 0, site: None, offset: 0, record: 0 }
}

fn invalid(reason: impl Into<std::boxed::Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

struct Output<W> {
    inner: W,
    /// Of all records.
    bytes: u64,
    error: Option<io::Error>,
}

impl<W: Write> Sink for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.error = self.inner.write_all(bytes).err();
        self.bytes += bytes.len() as u64;
        self.error.is_none()
    }
}
