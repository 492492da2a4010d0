//! Snapshots of a heap, as bytes.

use talloc_sync::{Chunk, ChunkKind, Config, Talloc};
use talloc_trace::Sink;
use talloc_trace::snapshot::{self, Incomplete, Writer};

/// Writes the chunks of `heap` to `sink`, such as a file, a socket, a debug probe or a ring buffer. `talloc map` draws
/// the snapshot.
///
/// The snapshot has the chunks of [`Inspect::memory_map`](crate::inspect::Inspect::memory_map): free chunks and, in a
/// [`Checked`](crate::config::Checked) heap, each allocated block. Most chunks take 3 to 4 bytes; see the [format].
/// The function does not allocate, and takes as many steps as `memory_map`.
///
/// The heap is borrowed meanwhile. If it is the global allocator, the sink must therefore not allocate. If a sink
/// allocates or is slow, write the snapshot to memory first.
///
/// # Errors
///
/// [`Incomplete`] if the sink did not take all records. It contains the number of chunks that the snapshot lacks.
///
/// # Examples
///
/// ```
/// use std::fs::File;
/// use std::io::BufWriter;
///
/// use talloc_global::{config::Checked, inspect::write_snapshot, *};
/// use talloc_trace::IoSink;
///
/// let mut memory = [0_u8; 10_000];
/// let mut heap = Talloc::<Checked>::with_config();
/// // SAFETY: The memory is the heap's until neither is used any more.
/// unsafe { heap.init(Span::from(&mut memory)) };
///
/// let file = File::create(std::env::temp_dir().join("program.heap"))?;
/// let mut sink = IoSink::new(BufWriter::new(file));
/// write_snapshot(&heap, &mut sink)?;
/// sink.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [format]: talloc_trace::snapshot#the-format
pub fn write_snapshot<C: Config, S>(
    heap: &Talloc<C, S>,
    sink: impl Sink,
) -> Result<(), Incomplete> {
    write_chunks(heap.inspect().memory_map(), sink)
}

/// Writes the chunks of one or several heaps to `sink` as one snapshot, which `talloc map` draws.
///
/// Chunks may come in any order; in address order, they take the fewest bytes. Chunks must not overlap, except that
/// cached blocks may lie in chunks of the kind [`Blocks`](ChunkKind::Blocks). Readers refuse a snapshot with other
/// overlaps. The function does not allocate, and takes time in proportion to the number of chunks.
///
/// # Errors
///
/// [`Incomplete`] if the sink did not take all records. It tells how many chunks the snapshot lacks.
///
/// # Examples
///
/// Two heaps in one picture:
///
/// ```
/// use talloc_global::{inspect::write_chunks, *};
/// use talloc_trace::IoSink;
///
/// let mut memory = [[0_u8; 10_000]; 2];
/// let mut heaps = [Talloc::new(), Talloc::new()];
/// for (heap, memory) in heaps.iter_mut().zip(&mut memory) {
///     // SAFETY: The memory is the heap's until neither is used any more.
///     unsafe { heap.init(Span::from(memory)) };
/// }
/// let mut sink = IoSink::new(Vec::new());
/// write_chunks(heaps.iter().flat_map(|heap| heap.inspect().memory_map()), &mut sink)?;
/// let file = sink.finish()?;
/// # assert!(file.starts_with(b"AHEAP1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_chunks(
    chunks: impl IntoIterator<Item = Chunk>,
    sink: impl Sink,
) -> Result<(), Incomplete> {
    let chunks = chunks.into_iter();
    let Some(mut writer) = Writer::start(sink) else {
        return Err(Incomplete { lost: chunks.count() as u64, has_end: false });
    };
    for chunk in chunks {
        writer.chunk(as_record(&chunk));
    }
    writer.finish().map(|_| ())
}

fn as_record(Chunk { kind, span }: &Chunk) -> snapshot::Chunk {
    let kind = match kind {
        ChunkKind::Used => snapshot::ChunkKind::Used,
        ChunkKind::Cached => snapshot::ChunkKind::Cached,
        ChunkKind::Free => snapshot::ChunkKind::Free,
        ChunkKind::Top => snapshot::ChunkKind::Top,
        ChunkKind::Own => snapshot::ChunkKind::Own,
        // `Blocks`, and whatever else is not free.
        _ => snapshot::ChunkKind::Blocks,
    };
    snapshot::Chunk { kind, address: span.base().unwrap_or(0) as u64, size: span.size() as u64 }
}
