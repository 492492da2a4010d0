//! Writes a long trace, to measure how long each command takes.
//!
//! ```text
//! cargo run --release -p talloc-cli --example long_trace -- 10000000 long.atr.zst
//! time target/release/talloc stat long.atr.zst
//! ```
//!
//! The block sizes are those of a program with many small objects. Most blocks die young, and a few are resized. The
//! events come from 16 call sites.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::BufWriter;
use talloc_trace::{Event, Flags, Op, Writer};

/// The approximate number of live objects.
const LIVE: usize = 100_000;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let events: u64 =
        arguments.next().context("the first argument is the number of events")?.parse()?;
    let path = arguments.next().context("the second argument is the file")?;
    let flags = Flags::CALL_SITES | Flags::TIMES;
    let mut writer = Writer::with_flags(BufWriter::new(File::create(path)?), flags, 1_000_000)?;
    let mut random = fastrand::Rng::with_seed(10);
    let (mut live, mut next) = (Vec::with_capacity(2 * LIVE), 0);
    for time in 0..events {
        let op = if live.len() < LIVE || random.u32(..100) < 50 {
            next += 1;
            live.push(next - 1);
            let size = 8 << random.u32(..4);
            let size = if random.u32(..50) == 0 { size << random.u32(..12) } else { size };
            Op::Alloc { id: next - 1, size: size + random.u64(..size), zeroed: false, address: 0 }
        } else if random.u32(..100) == 0 {
            Op::Realloc {
                id: live[random.usize(..live.len())],
                size: random.u64(1..5000),
                address: 0,
            }
        } else {
            // Prefers young blocks.
            let span = 1 << random.u32(..17);
            let age = random.usize(..live.len().min(span));
            Op::Free { id: live.swap_remove(live.len() - 1 - age) }
        };
        let site = random.u64(..16);
        let event =
            Event { op, thread: 0, align_log2: None, time, site: None, offset: 0, record: 0 };
        writer.write(&event, &[0x1000 + 16 * site, 0x9000 + 256 * (site / 4)])?;
    }
    writer.finish()?;
    Ok(())
}
