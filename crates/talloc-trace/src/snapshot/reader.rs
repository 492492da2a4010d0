//! Reading a snapshot, chunk by chunk.

use super::{Chunk, ChunkKind, END, MAGIC};
use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind};
use crate::file;
use crate::varint::unzigzag;
use std::boxed::Box;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads the chunks of a snapshot, in constant memory.
///
/// # Examples
///
/// ```
/// use talloc_trace::IoSink;
/// use talloc_trace::snapshot::{Chunk, ChunkKind, Reader, Writer};
///
/// let chunk = Chunk { kind: ChunkKind::Free, address: 0x2000_0000, size: 1024 };
/// let mut writer = Writer::start(IoSink::new(Vec::new())).unwrap();
/// writer.chunk(chunk);
/// let file = writer.finish().unwrap().finish()?;
/// assert_eq!(file.len(), 8 + 8 + 2);
///
/// let chunks: Result<Vec<Chunk>, _> = Reader::new(file.as_slice())?.collect();
/// assert_eq!(chunks?, [chunk]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reader<R> {
    bytes: Bytes<R>,
    /// The end of the chunk before.
    end: u64,
    /// The records that have been read.
    records: u64,
    /// The offset of the record that was read last.
    offset: u64,
    lost: u64,
    partial: bool,
    is_done: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the magic.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotASnapshot`] if there is another one.
    pub fn new(inner: R) -> Result<Self, Error> {
        let mut bytes = Bytes::new(inner);
        let magic: Result<[u8; MAGIC.len()], ErrorKind> = bytes.array();
        let kind = match magic {
            Ok(MAGIC) => None,
            Ok(_) => Some(ErrorKind::NotASnapshot),
            Err(kind) => Some(kind),
        };
        match kind {
            Some(kind) => Err(Error { offset: 0, record: 0, kind }),
            None => Ok(Self {
                bytes,
                end: 0,
                records: 0,
                offset: 0,
                lost: 0,
                partial: false,
                is_done: false,
            }),
        }
    }

    /// Accepts a snapshot that ends anywhere, as of a device that was switched off.
    #[must_use]
    pub fn partial(self, accept: bool) -> Self {
        Self { partial: accept, ..self }
    }

    /// How many chunks were lost: known once all chunks have been read.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, and where. No further chunks follow.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, Error> {
        if self.is_done {
            return Ok(None);
        }
        self.offset = self.bytes.offset();
        let chunk = match self.record() {
            Err(ErrorKind::CutShort) if self.partial => Ok(None),
            Err(kind) => Err(self.error(kind)),
            Ok(chunk) => Ok(chunk),
        };
        self.is_done = !matches!(chunk, Ok(Some(_)));
        self.records += 1;
        chunk
    }

    /// An error in the record that was read last.
    fn error(&self, kind: ErrorKind) -> Error {
        Error { offset: self.offset, record: self.records, kind }
    }

    /// Where the record is that was read last: its offset and its number.
    pub(super) fn place(&self) -> (u64, u64) {
        (self.offset, self.records.saturating_sub(1))
    }

    fn record(&mut self) -> Result<Option<Chunk>, ErrorKind> {
        let head = self.bytes.byte()?;
        if head == END {
            self.lost = self.bytes.number()?;
            let is_last = self.bytes.peek()?.is_none();
            return if is_last { Ok(None) } else { Err(ErrorKind::TrailingData) };
        }
        let kind = ChunkKind::ALL.into_iter().find(|kind| *kind as u8 == head);
        let kind = kind.ok_or(ErrorKind::UnknownRecord(head))?;
        let address = self.end.wrapping_add(unzigzag(self.bytes.number()?));
        let size = self.bytes.number()?;
        match address.checked_add(size) {
            Some(end) if size > 0 => {
                self.end = end;
                Ok(Some(Chunk { kind, address, size }))
            }
            _ => Err(ErrorKind::ChunkSize { address, size }),
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Chunk, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_chunk().transpose()
    }
}

/// Opens a snapshot, which may be compressed with zstd, whatever its name.
///
/// # Errors
///
/// If the file cannot be opened, or is not a snapshot; [`ErrorKind::Compressed`] for a compressed file where the
/// feature `zstd` is off.
pub fn open(path: &Path) -> Result<Reader<Box<dyn Read + Send>>, Error> {
    File::open(path).map_err(file::io_error).and_then(read_from)
}

/// The same of anything that can be read: a socket, a serial line, a file with a progress bar.
///
/// # Errors
///
/// As [`open`].
pub fn read_from(inner: impl Read + Send + 'static) -> Result<Reader<Box<dyn Read + Send>>, Error> {
    Reader::new(file::decompressed(inner)?)
}
