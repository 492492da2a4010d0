//! What the program prints.

use std::io::{Result, Write};
use std::num::NonZero;
use std::time::Duration;

use crate::heap::Snapshot;
use crate::words::Index;

/// The most frequent words.
pub fn words(out: &mut impl Write, index: &Index, n: usize) -> Result<()> {
    writeln!(out, "{:>10} {:>8}  word", "count", "files")?;
    for (word, count, files) in index.most_frequent(n) {
        writeln!(out, "{count:>10} {files:>8}  {word}")?;
    }
    Ok(())
}

/// What was read, and how long it took.
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

/// The state of the heap.
///
/// Overhead is what the heap's arenas have in use over what the program asked for.
pub fn heap(out: &mut impl Write, when: &str, heap: &Snapshot) -> Result<()> {
    let Snapshot { report, calls, live, peak } = heap;
    let used = report.arena_bytes - report.top_bytes;
    let (free, largest) = (report.free_bytes, report.largest_free_bytes);
    writeln!(out, "\nheap {when}, verified")?;
    writeln!(
        out,
        "calls           {} allocations, {} reallocations, {} frees",
        calls.allocations, calls.reallocations, calls.frees
    )?;
    writeln!(
        out,
        "peak            {peak} bytes live, {} in use: {} overhead",
        report.high_water_bytes,
        percent(report.high_water_bytes as f64 / *peak as f64 - 1.0)
    )?;
    writeln!(
        out,
        "now             {live} bytes live, {used} in use: {} overhead",
        percent(used as f64 / *live as f64 - 1.0)
    )?;
    writeln!(
        out,
        "free            {free} bytes in {} chunks, the largest {largest}: {} fragmentation",
        report.free_chunks,
        percent(1.0 - largest as f64 / free as f64)
    )?;
    writeln!(out, "arenas          {}, {} bytes", report.arenas, report.arena_bytes)
}

fn percent(ratio: f64) -> String {
    format!("{:.1} %", 100.0 * ratio)
}
