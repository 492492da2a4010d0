//! Prints the results.

use std::io::{Result, Write};
use std::num::NonZero;
use std::time::Duration;

use crate::heap::Snapshot;
use crate::words::Index;

/// Prints the most frequent words.
pub fn words(out: &mut impl Write, index: &Index, n: usize) -> Result<()> {
    writeln!(out, "{:>10} {:>8}  word", "count", "files")?;
    for (word, count, files) in index.most_frequent(n) {
        writeln!(out, "{count:>10} {files:>8}  {word}")?;
    }
    Ok(())
}

/// Prints what was read, and the time it took.
pub fn input(
    out: &mut impl Write,
    index: &Index,
    threads: NonZero<usize>,
    time: Duration,
) -> Result<()> {
    let Index { texts, skipped, bytes, .. } = index;
    writeln!(out, "\ntext            {bytes} bytes in {texts} files; {skipped} others skipped")?;
    writeln!(out, "words           {}, {} different ones", index.total(), index.words.len())?;
    writeln!(out, "time            {:.2} s with {threads} threads", time.as_secs_f64())
}

/// Prints the report of the heap with the index.
///
/// Overhead is the memory taken beyond the bytes requested. At the peak, it includes all of the arenas used so far,
/// with holes between blocks. Now, it is the rounding of sizes. Holes count as fragmentation instead. Bitmaps do not
/// count: the heaps of threads reserve addresses for larger bitmaps than they use.
pub fn heap(out: &mut impl Write, heap: &Snapshot) -> Result<()> {
    let Snapshot { report, calls, live, peak } = heap;
    let taken = report.used_bytes;
    writeln!(
        out,
        "calls           {} allocations, {} reallocations, {} frees",
        calls.allocations, calls.reallocations, calls.frees
    )?;
    writeln!(
        out,
        "heap peak       {peak} bytes live, {} in use: {} overhead",
        report.high_water_bytes,
        excess(report.high_water_bytes, *peak)
    )?;
    writeln!(
        out,
        "heap now        {live} bytes live, {taken} taken: {} overhead",
        excess(taken, *live)
    )?;
    writeln!(
        out,
        "free            {} bytes in {} chunks, the largest {}: {} fragmentation",
        report.free_bytes,
        report.free_chunks,
        report.largest_free_bytes,
        percent(1.0 - report.largest_free_bytes as f64 / report.free_bytes as f64)
    )?;
    writeln!(out, "arenas          {}, of {} bytes", report.arenas, report.arena_bytes)
}

/// Prints the report of the heap after the index is freed. Only the standard library's blocks are left.
pub fn exit(out: &mut impl Write, heap: &Snapshot) -> Result<()> {
    let Snapshot { report, live, .. } = heap;
    writeln!(out, "heap at exit    {live} bytes live, {} free: verified", report.free_bytes)
}

/// Returns by how many percent `bytes` exceeds `base`.
fn excess(bytes: usize, base: usize) -> String {
    percent(bytes as f64 / base as f64 - 1.0)
}

fn percent(ratio: f64) -> String {
    format!("{:.1} %", 100.0 * ratio)
}
