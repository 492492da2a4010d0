//! Helpers of the tests.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;

use fastrand::Rng;

/// The largest size of a block.
const MAX: usize = 3000;

/// The divisor of the number of rounds, because Miri is slow.
const SLOWER: usize = if cfg!(miri) { 200 } else { 1 };

/// Allocates, reallocates and frees on several threads, each of which also frees blocks of others.
///
/// Checks the contents of a block before each change.
pub fn hammer(threads: u64, rounds: usize) {
    let shared = Mutex::new(VecDeque::new());
    thread::scope(|scope| {
        for seed in 0..threads {
            let shared = &shared;
            scope.spawn(move || hammer_alone(Rng::with_seed(seed), rounds / SLOWER, shared));
        }
    });
    shared.into_inner().unwrap().iter().for_each(|block| check(block));
}

/// The work of one thread.
fn hammer_alone(mut rng: Rng, rounds: usize, shared: &Mutex<VecDeque<Vec<u8>>>) {
    let mut own: Vec<Vec<u8>> = Vec::new();
    for _ in 0..rounds {
        match rng.u8(..10) {
            0..4 => own.push(block(&mut rng)),
            4..7 if !own.is_empty() => check(&own.swap_remove(rng.usize(..own.len()))),
            7 if !own.is_empty() => {
                let at = rng.usize(..own.len());
                resize(&mut own[at], rng.usize(1..MAX));
            }
            8 => shared.lock().unwrap().extend(own.pop()),
            _ => shared.lock().unwrap().pop_front().iter().for_each(|block| check(block)),
        }
    }
    own.iter().for_each(|block| check(block));
}

/// Allocates a block whose bytes all have the same value.
fn block(rng: &mut Rng) -> Vec<u8> {
    // Small blocks are frequent.
    let size = rng.usize(1..=rng.clone().usize(1..MAX));
    match rng.bool() {
        true => vec![0; size],
        false => vec![rng.u8(..); size],
    }
}

fn resize(block: &mut Vec<u8>, size: usize) {
    check(block);
    block.resize(size, block[0]);
    block.shrink_to_fit();
    check(block);
}

fn check(block: &[u8]) {
    assert!(block.iter().all(|byte| *byte == block[0]), "a block was overwritten");
}
