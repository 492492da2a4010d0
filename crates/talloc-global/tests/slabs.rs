//! Small blocks of which a heap has many lie in slabs, and any thread may free them.
#![cfg(all(feature = "system", feature = "std", any(unix, windows)))]

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use fastrand::Rng;
use talloc_global::*;

#[global_allocator]
static ALLOCATOR: SystemTalloc = SystemTalloc::new();

const THREADS: usize = 4;
const SIZES: [usize; 6] = [16, 24, 40, 96, 240, 500];
const BLOCKS: usize = if cfg!(miri) { 100 } else { 20_000 };
const ROUNDS: usize = 3;

/// A block whose bytes are all its size.
struct Block(Vec<u8>);

impl Block {
    fn new(size: usize) -> Self {
        Self(vec![size as u8; size])
    }

    fn resize(&mut self, size: usize) {
        self.check();
        self.0.truncate(size);
        self.0.resize(size, 0);
        self.0.shrink_to_fit();
        self.0.fill(size as u8);
    }

    fn check(&self) {
        assert!(self.0.iter().all(|byte| *byte == self.0.len() as u8));
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.check();
    }
}

fn blocks(rng: &mut Rng) -> Vec<Block> {
    (0..BLOCKS).map(|_| Block::new(SIZES[rng.usize(..SIZES.len())])).collect()
}

/// Returns the share of pages whose blocks have one size, of those that blocks start in.
fn share_of_one_size(blocks: &[Block]) -> f64 {
    let mut pages = HashMap::<usize, Option<usize>>::new();
    for block in blocks {
        let (page, size) = (block.0.as_ptr().addr() / 4096, block.0.len());
        let seen = pages.entry(page).or_insert(Some(size));
        *seen = seen.filter(|seen| *seen == size);
    }
    pages.values().flatten().count() as f64 / pages.len() as f64
}

/// Sends half of the thread's blocks to another thread, and frees those that it receives and its own in random order.
fn work(seed: u64, to_next: Sender<Block>, inbox: Receiver<Block>) {
    let mut rng = Rng::with_seed(seed);
    let mut own = blocks(&mut rng);
    assert!(cfg!(miri) || share_of_one_size(&own) > 0.5);
    rng.shuffle(&mut own);
    for mut block in own.drain(..BLOCKS / 2) {
        if rng.bool() {
            block.resize(SIZES[rng.usize(..SIZES.len())]);
        }
        to_next.send(block).unwrap();
    }
    drop(to_next);
    // Those that are freed make room for others.
    own.truncate(BLOCKS / 10);
    own.extend(inbox);
    own.extend(blocks(&mut rng));
    rng.shuffle(&mut own);
    ALLOCATOR.verify().unwrap();
}

/// This is the only test, because it compares the state of the heaps before and after.
#[test]
fn blocks_in_slabs_survive_threads_and_leave_nothing_behind() {
    let live = || {
        // The report is complete before a panic allocates.
        let report = ALLOCATOR.verify();
        report.unwrap().used_bytes
    };
    thread::spawn(|| drop(blocks(&mut Rng::with_seed(0)))).join().unwrap();
    ALLOCATOR.trim();
    let before = live();
    for round in 0..ROUNDS {
        let (to, from): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| mpsc::channel::<Block>()).unzip();
        let threads: Vec<_> = (from.into_iter().enumerate())
            .map(|(number, inbox)| {
                let to_next = to[(number + 1) % THREADS].clone();
                thread::spawn(move || work((round * THREADS + number) as u64, to_next, inbox))
            })
            .collect();
        drop(to);
        // A thread that is joined has given up its heap, unlike one whose scope has ended.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
    ALLOCATOR.trim();
    let after = live();
    assert!(after <= before + 4096, "{after} bytes are allocated, {before} were before");
}
