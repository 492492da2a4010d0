//! Records the allocations of a program in a file, with call stacks: `to_file FILE`. `talloc stat FILE` prints a
//! summary.

use std::alloc::System;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::BufWriter;

use talloc_trace::{Backtraces, IoSink, Traced};

type Lock = spin::mutex::SpinMutex<(), spin::Yield>;
type ToFile = IoSink<BufWriter<File>>;

/// The number of frames to record of each call stack.
const FRAMES: usize = 16;

#[global_allocator]
static ALLOCATOR: Traced<System, ToFile, Lock, Backtraces, FRAMES> = Traced::new(System);

/// The program: it counts words, and leaks those that occur only once.
fn program() -> usize {
    let mut counts = BTreeMap::<String, usize>::new();
    for number in 0..5000_u32 {
        *counts.entry(word(number)).or_default() += 1;
    }
    counts.retain(|word, count| {
        if *count == 1 {
            leak(word.clone());
        }
        *count > 1
    });
    counts.len()
}

#[inline(never)]
fn word(number: u32) -> String {
    format!("word {}", number.wrapping_mul(2_654_435_761) >> 20)
}

#[inline(never)]
fn leak(word: String) {
    word.leak();
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).ok_or("usage: to_file FILE")?;
    let sink = IoSink::new(BufWriter::new(File::create(file)?));
    ALLOCATOR.start(sink).map_err(|_| "the header cannot be written to the file")?;
    let words = program();
    let sink = ALLOCATOR.stop().ok_or("nothing was recorded")?;
    sink.finish()?;
    println!("{words} words occur more than once; {} events were lost", ALLOCATOR.lost());
    Ok(())
}
