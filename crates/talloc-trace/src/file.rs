//! Trace files, compressed or not.

use crate::error::{Error, ErrorKind};
use crate::reader::Reader;
use crate::snapshot;
use crate::writer::Writer;
use std::boxed::Box;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::vec::Vec;

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Opens a trace file, which may be compressed with zstd, whatever its name.
///
/// # Errors
///
/// If the file cannot be opened, or does not begin with the header of a trace; [`ErrorKind::Compressed`] for a
/// compressed file where the feature `zstd` is off.
pub fn open(path: &Path) -> Result<Reader<Box<dyn Read + Send>>, Error> {
    File::open(path).map_err(io_error).and_then(read_from)
}

/// The same of anything that can be read: a pipe, a socket, a file with a progress bar.
///
/// # Errors
///
/// As [`open`].
pub fn read_from(inner: impl Read + Send + 'static) -> Result<Reader<Box<dyn Read + Send>>, Error> {
    Reader::new(decompressed(inner)?)
}

/// What a file is.
pub enum Recording {
    /// A trace.
    Trace(Box<Reader<Box<dyn Read + Send>>>),
    /// A snapshot of a heap.
    Snapshot(snapshot::Reader<Box<dyn Read + Send>>),
}

/// Reads the beginning of a trace or of a snapshot, whichever it is.
///
/// # Errors
///
/// As [`open`]: what is not a snapshot is read as a trace.
pub fn read_any(inner: impl Read + Send + 'static) -> Result<Recording, Error> {
    let mut inner = decompressed(inner)?;
    let mut magic = Vec::new();
    match inner.by_ref().take(snapshot::MAGIC.len() as u64).read_to_end(&mut magic) {
        // What is cut short has an end, too.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(io_error(error)),
        _ => {}
    }
    let is_snapshot = magic == snapshot::MAGIC;
    let inner: Box<dyn Read + Send> = Box::new(io::Cursor::new(magic).chain(inner));
    match is_snapshot {
        true => snapshot::Reader::new(inner).map(Recording::Snapshot),
        false => Reader::new(inner).map(|reader| Recording::Trace(Box::new(reader))),
    }
}

/// What is read, decompressed if it is compressed.
pub(crate) fn decompressed(
    inner: impl Read + Send + 'static,
) -> Result<Box<dyn Read + Send>, Error> {
    let mut inner = BufReader::with_capacity(64 << 10, inner);
    let compressed = inner.fill_buf().map_err(io_error)?.starts_with(&ZSTD_MAGIC);
    if compressed { decoder(inner) } else { Ok(Box::new(inner)) }
}

#[cfg(feature = "zstd")]
fn decoder(inner: impl BufRead + Send + 'static) -> Result<Box<dyn Read + Send>, Error> {
    // By default, the decoder refuses windows of more than 128 MiB.
    let decoder = zstd::Decoder::with_buffer(inner).map_err(io_error)?;
    Ok(Box::new(decoder))
}

#[cfg(not(feature = "zstd"))]
fn decoder(_: impl BufRead + Send + 'static) -> Result<Box<dyn Read + Send>, Error> {
    Err(Error { offset: 0, record: 0, kind: ErrorKind::Compressed })
}

/// Creates a file for a streamed trace, compressed with zstd if its name ends in `.zst`.
///
/// # Errors
///
/// If the file cannot be created, or the name ends in `.zst` and the feature `zstd` is off.
pub fn create(path: &Path) -> io::Result<Writer<Box<dyn Write + Send>>> {
    let compressed = path.extension().is_some_and(|extension| extension == "zst");
    let file = BufWriter::new(File::create(path)?);
    Writer::streaming(if compressed { encoder(file)? } else { Box::new(file) })
}

#[cfg(feature = "zstd")]
fn encoder(file: BufWriter<File>) -> io::Result<Box<dyn Write + Send>> {
    let encoder = zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?;
    Ok(Box::new(FinishOnFlush(Some(encoder))))
}

#[cfg(not(feature = "zstd"))]
fn encoder(_: BufWriter<File>) -> io::Result<Box<dyn Write + Send>> {
    let message = "this program was built without zstd";
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

/// Ends the compressed stream at the flush, which [`Writer::finish`] makes once, at the end.
#[cfg(feature = "zstd")]
struct FinishOnFlush(Option<zstd::Encoder<'static, BufWriter<File>>>);

#[cfg(feature = "zstd")]
impl Write for FinishOnFlush {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Some(encoder) => encoder.write(bytes),
            None => Err(io::Error::other("the trace has been finished")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.take() {
            Some(encoder) => encoder.finish()?.flush(),
            None => Ok(()),
        }
    }
}

pub(crate) fn io_error(error: io::Error) -> Error {
    Error { offset: 0, record: 0, kind: ErrorKind::Io(error) }
}
