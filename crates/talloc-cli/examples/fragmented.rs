//! A fragmented heap, and a snapshot that shows it: `fragmented FILE [apart]`.
//!
//! The program receives messages in bursts, and logs a line about each. The lines are allocated between the buffers of
//! the messages, and stay there when the buffers are freed. With `apart`, all lines are in a separate block.
//! `crates/talloc-cli/walkthroughs/fragmentation.md` shows both.

use std::error::Error;
use std::fs;

use talloc_global::config::Checked;
use talloc_global::inspect::write_snapshot;
use talloc_global::{Compact, StaticArena, StaticTalloc};
use talloc_trace::Sink;

/// The memory of the program.
static ARENA: StaticArena<{ 512 << 10 }> = StaticArena::new();
#[global_allocator]
static ALLOCATOR: StaticTalloc<Checked<Compact>> = StaticTalloc::with_source(ARENA.region());

const BURSTS: usize = 12;
const MESSAGES: usize = 44;

/// The size of the final request.
const LARGE: usize = 256 << 10;

/// The log: a block per line, or all lines in one block.
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

/// Receives a burst of messages, and then frees all of them.
fn receive(burst: usize, lines: &mut Lines) {
    let mut messages = Vec::with_capacity(MESSAGES);
    for number in 0..MESSAGES {
        // The sizes vary.
        let size = 4000 + (burst * MESSAGES + number) * 2654 % 9000;
        messages.push(vec![0_u8; size]);
        lines.add(format!(
            "message {number} of burst {burst}, of {size} bytes, has been received\n"
        ));
    }
}

/// Preallocated memory for a snapshot, because the heap cannot be used while its snapshot is written.
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
