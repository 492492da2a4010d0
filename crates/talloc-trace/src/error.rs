//! What can be wrong with a trace or a snapshot.

use std::io;

/// Why a trace or a snapshot could not be read: what is wrong, and where.
///
/// It is printed with its kind, which is therefore no source of its own.
#[derive(Debug, thiserror::Error)]
#[error("byte {offset}, record {record}: {kind}")]
pub struct Error {
    /// The offset in the uncompressed file, in bytes.
    pub offset: u64,
    /// The number of the record, from 0.
    pub record: u64,
    /// What is wrong.
    pub kind: ErrorKind,
}

/// What is wrong with a trace or a snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file could not be read or decompressed.
    #[error("cannot read: {0}")]
    Io(io::Error),
    /// It does not begin with the magic.
    #[error("not a trace")]
    NotATrace,
    /// It does not begin with the magic of a [snapshot](crate::snapshot).
    #[error("not a snapshot of a heap")]
    NotASnapshot,
    /// A chunk of a snapshot has no bytes, or reaches beyond the address space.
    #[error("a chunk of {size} bytes at the address {address:#x}")]
    ChunkSize {
        /// Its address.
        address: u64,
        /// Its size.
        size: u64,
    },
    /// An object reaches beyond the address space.
    #[error("an object of {size} bytes at the address {address:#x}, which has no room for it")]
    Span {
        /// Its address.
        address: u64,
        /// Its size.
        size: u64,
    },
    /// Two chunks of a snapshot have bytes in common.
    #[error("a chunk at the address {0:#x}, where there is one already")]
    ChunkOverlap(u64),
    /// It is compressed, and the crate was built without the feature `zstd`.
    #[error("compressed with zstd, which this program was built without")]
    Compressed,
    /// It uses parts of the format that this version does not know.
    #[error("the format has extensions that this version does not know: {0:#x}")]
    UnknownExtension(u64),
    /// It ends within the header or a record, or before the end that its header or its format promises.
    #[error("cut short")]
    CutShort,
    /// A number takes more than 64 bits.
    #[error("a number of more than 64 bits")]
    NumberTooLarge,
    /// The first byte of a record has bits that have no meaning.
    #[error("no record begins with the byte {0:#04x}")]
    UnknownRecord(u8),
    /// The logarithm of an alignment is 64 or more.
    #[error("an alignment of 2^{0}")]
    Alignment(u8),
    /// A size is larger than an object can be.
    #[error("a size of {0} bytes")]
    Size(u64),
    /// The live objects have 2^64 bytes or more.
    #[error("2^64 or more bytes are live")]
    LiveBytes,
    /// There are more live objects than the reader's [`Limits`](crate::Limits) allow.
    #[error("more than {0} live objects")]
    LiveObjects(usize),
    /// There are more call sites than the reader's [`Limits`](crate::Limits) allow.
    #[error("call sites of more than {0} frames")]
    CallSites(usize),
    /// A call stack has more than [`MAX_FRAMES`](crate::MAX_FRAMES) frames, or shares more than there were.
    #[error("a call stack of {new} new frames and {shared} shared ones")]
    CallStack {
        /// The frames it shares with the one before.
        shared: u64,
        /// Those it does not.
        new: u64,
    },
    /// An age is greater than the number of objects.
    #[error("an age of {age} where there have been {objects} objects")]
    Age {
        /// The age.
        age: u64,
        /// How many objects there have been.
        objects: u64,
    },
    /// An object is used after it was freed.
    #[error("object {0} is not allocated")]
    NotLive(u64),
    /// A reallocation ends that this thread has not begun.
    #[error("a reallocation ends that thread {0} has not begun")]
    NotReallocating(u64),
    /// An object is allocated where there is one, although no events were lost.
    #[error("an object at the address {0:#x}, where there is one already")]
    Overlap(u64),
    /// There is data behind the last record.
    #[error("data behind the last record")]
    TrailingData,
    /// The header promises another number of objects.
    #[error("{found} objects where the header says {header}")]
    Objects {
        /// According to the header.
        header: u64,
        /// According to the records.
        found: u64,
    },
    /// The records' size is not that in the header.
    #[error("{found} bytes of records where the header says {header}")]
    RecordBytes {
        /// According to the header.
        header: u64,
        /// According to the records.
        found: u64,
    },
    /// There are more objects or events, or larger ones, than a [`Script`](crate::script::Script) can have.
    #[error("{0}")]
    NotReplayable(&'static str),
}
