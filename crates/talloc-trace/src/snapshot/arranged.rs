//! A whole snapshot, in the order of addresses.

use super::{Chunk, ChunkKind, Reader};
use crate::error::{Error, ErrorKind};
use std::io::Read;
use std::vec::Vec;

/// A whole snapshot.
///
/// # Examples
///
/// ```
/// use talloc_trace::IoSink;
/// use talloc_trace::snapshot::{Chunk, ChunkKind, Reader, Snapshot, Writer};
///
/// let chunk = |kind, address, size| Chunk { kind, address, size };
/// let mut writer = Writer::start(IoSink::new(Vec::new())).unwrap();
/// writer.chunk(chunk(ChunkKind::Blocks, 1000, 100));
/// writer.chunk(chunk(ChunkKind::Cached, 1040, 24));
/// let file = writer.finish().unwrap().finish()?;
///
/// let snapshot = Snapshot::read(Reader::new(file.as_slice())?)?;
/// assert_eq!(
///     snapshot.chunks,
///     [
///         chunk(ChunkKind::Blocks, 1000, 40),
///         chunk(ChunkKind::Cached, 1040, 24),
///         chunk(ChunkKind::Blocks, 1064, 36),
///     ]
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The chunks in the order of their addresses. They do not overlap: a chunk of the kind
    /// [`Blocks`](ChunkKind::Blocks) is what is left of one when the cached blocks in it are taken away.
    pub chunks: Vec<Chunk>,
    /// How many chunks the sink did not take.
    pub lost: u64,
}

/// A chunk, and where the file has it: the offset and the number of the record.
type Placed = (Chunk, (u64, u64));

impl Snapshot {
    /// Reads a snapshot to its end. Takes memory in proportion to it.
    ///
    /// # Errors
    ///
    /// Those of the reader; [`ErrorKind::ChunkOverlap`] if two chunks overlap that must not.
    pub fn read<R: Read>(mut reader: Reader<R>) -> Result<Self, Error> {
        let (mut cached, mut others) = (Vec::new(), Vec::new());
        while let Some(chunk) = reader.next_chunk()? {
            let list = if chunk.kind == ChunkKind::Cached { &mut cached } else { &mut others };
            list.push((chunk, reader.place()));
        }
        for list in [&mut cached, &mut others] {
            list.sort_unstable_by_key(|(chunk, _)| chunk.address);
            let overlapping = list.windows(2).find(|pair| end(&pair[0].0) > pair[1].0.address);
            if let Some(pair) = overlapping {
                let later = pair.iter().max_by_key(|(_, place)| place);
                return Err(overlap(later.unwrap_or(&pair[1])));
            }
        }
        Ok(Self { chunks: arrange(&cached, &others)?, lost: reader.lost() })
    }

    /// The bytes of all chunks of a kind.
    #[must_use]
    pub fn bytes(&self, kind: ChunkKind) -> u64 {
        let chunks = self.chunks.iter().filter(|chunk| chunk.kind == kind);
        chunks.map(|chunk| chunk.size).sum()
    }
}

/// Puts the cached blocks in the place of those bytes of other chunks that they take.
fn arrange(cached: &[Placed], others: &[Placed]) -> Result<Vec<Chunk>, Error> {
    let mut arranged = Vec::with_capacity(cached.len() + others.len());
    let mut cached = cached.iter().peekable();
    for (mut rest, _) in others.iter().copied() {
        while let Some(block) = cached.next_if(|block| block.0.address < end(&rest)) {
            let (before, after) = (rest.address.checked_sub(block.0.address), end(&block.0));
            match before {
                Some(1..) if after > rest.address => return Err(overlap(block)),
                Some(1..) => {}
                _ if rest.kind != ChunkKind::Blocks || after > end(&rest) => {
                    return Err(overlap(block));
                }
                _ => {
                    let size = block.0.address - rest.address;
                    arranged.extend((size > 0).then_some(Chunk { size, ..rest }));
                    rest = Chunk { address: after, size: end(&rest) - after, ..rest };
                }
            }
            arranged.push(block.0);
        }
        arranged.extend((rest.size > 0).then_some(rest));
    }
    arranged.extend(cached.map(|block| block.0));
    Ok(arranged)
}

/// The first address above a chunk. The reader has checked that there is one.
fn end(chunk: &Chunk) -> u64 {
    chunk.address + chunk.size
}

fn overlap((chunk, (offset, record)): &Placed) -> Error {
    Error { offset: *offset, record: *record, kind: ErrorKind::ChunkOverlap(chunk.address) }
}
