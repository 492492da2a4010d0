//! The bytes of a trace one by one, with their offset.

use crate::error::ErrorKind;
use std::io::{ErrorKind as IoKind, Read};
use std::vec::Vec;

const BUFFER: usize = 64 << 10;

/// A buffered reader that knows where it is.
pub struct Bytes<R> {
    inner: R,
    buffer: Vec<u8>,
    /// The bytes in `buffer[next..end]` have not been read.
    next: usize,
    end: usize,
    /// The offset of `buffer[0]`.
    base: u64,
}

impl<R: Read> Bytes<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, buffer: std::vec![0; BUFFER], next: 0, end: 0, base: 0 }
    }

    /// The offset of the next byte.
    pub fn offset(&self) -> u64 {
        self.base + self.next as u64
    }

    /// The next byte, which is read by the next call again; none at the end.
    pub fn peek(&mut self) -> Result<Option<u8>, ErrorKind> {
        if self.next == self.end {
            self.fill()?;
        }
        Ok((self.next < self.end).then(|| self.buffer[self.next]))
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8, ErrorKind> {
        if self.next == self.end {
            self.fill()?;
            if self.end == 0 {
                return Err(ErrorKind::CutShort);
            }
        }
        let byte = self.buffer[self.next];
        self.next += 1;
        Ok(byte)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ErrorKind> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(bytes)
    }

    pub fn u64(&mut self) -> Result<u64, ErrorKind> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A varint. Forms that are longer than need be are numbers, too.
    #[inline]
    pub fn number(&mut self) -> Result<u64, ErrorKind> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return Err(ErrorKind::NumberTooLarge);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(ErrorKind::NumberTooLarge)
    }

    #[cold]
    fn fill(&mut self) -> Result<(), ErrorKind> {
        self.base += self.end as u64;
        (self.next, self.end) = (0, 0);
        self.end = loop {
            match self.inner.read(&mut self.buffer) {
                Err(error) if error.kind() == IoKind::Interrupted => {}
                // This is how decoders of compressed data say that it is cut short.
                Err(error) if error.kind() == IoKind::UnexpectedEof => {
                    return Err(ErrorKind::CutShort);
                }
                Err(error) => return Err(ErrorKind::Io(error)),
                Ok(read) => break read,
            }
        };
        Ok(())
    }
}
