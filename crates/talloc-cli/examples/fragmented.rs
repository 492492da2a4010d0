//! Fragmentation, and a snapshot that shows it: `fragmented FILE [apart]`.
//!
//! The program receives messages in bursts, and keeps a line about each. The lines lie between the buffers of the
//! messages, and stay there when the buffers are freed. With `apart`, the lines have a place of their own.
//! `crates/talloc-cli/walkthroughs/fragmentation.md` shows both.

use std::error::Error;
use std::fs;

use talloc_global::config::Checked;
use talloc_global::inspect::write_snapshot;
use talloc_global::{Compact, StaticArena, StaticTalloc};
use talloc_trace::Sink;

/// All memory of the program.
static ARENA: StaticArena<{ 512 << 10 }> = StaticArena::new();
#[global_allocator]
static ALLOCATOR: StaticTalloc<Checked<Compact>> = StaticTalloc::with_source(ARENA.region());

const BURSTS: usize = 12;
const MESSAGES: usize = 44;

/// What is wanted in the end.
const LARGE: usize = 256 << 10;

/// The lines, each by itself or all in one text.
enum Lines {
    Single(Vec<String>),
    Apart(String),
}

impl Lines {
    fn add(&mut self, line: String) {
        match self {
            Self::Single(lines) => lines.push(line),
            Self::Apart(text) => text.push_str(&line),
        }
    }
}

/// The messages of a burst are all there before the first is freed.
fn receive(burst: usize, lines: &mut Lines) {
    let mut messages = Vec::with_capacity(MESSAGES);
    for number in 0..MESSAGES {
        // Messages are of different sizes.
        let size = 4000 + (burst * MESSAGES + number) * 2654 % 9000;
        messages.push(vec![0_u8; size]);
        lines.add(format!(
            "message {number} of burst {burst}, of {size} bytes, has been received\n"
        ));
    }
}

/// Memory for a snapshot: the heap that is written cannot be used meanwhile.
struct Buffer(Vec<u8>);

impl Sink for Buffer {
    fn write(&mut self, bytes: &[u8]) -> bool {
        let fits = bytes.len() <= self.0.capacity() - self.0.len();
        if fits {
            self.0.extend_from_slice(bytes);
        }
        fits
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: fragmented FILE [apart]")?;
    let is_apart = arguments.next().is_some_and(|argument| argument == "apart");
    let mut buffer = Buffer(Vec::with_capacity(16 << 10));
    let mut lines = match is_apart {
        true => Lines::Apart(String::with_capacity(BURSTS * MESSAGES * 80)),
        false => Lines::Single(Vec::with_capacity(BURSTS * MESSAGES)),
    };
    for burst in 0..BURSTS {
        receive(burst, &mut lines);
    }

    let free = ALLOCATOR.0.lock().inspect().free_bytes();
    let largest = ALLOCATOR.0.lock().inspect().largest_free_bytes();
    println!("{free} bytes are free, the largest chunk has {largest}");
    match Vec::<u8>::new().try_reserve_exact(LARGE) {
        Ok(()) => println!("{LARGE} bytes in a row: allocated"),
        Err(error) => println!("{LARGE} bytes in a row: {error}"),
    }
    write_snapshot(&ALLOCATOR.0.lock(), &mut buffer)?;
    fs::write(file, buffer.0)?;
    Ok(())
}
