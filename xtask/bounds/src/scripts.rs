//! The operations to be measured: random ones, and those meant to be slow.

use fastrand::Rng;

use crate::clock::Clock;
use crate::heap::Heap;
use crate::trial::{Tallies, Trial};

/// Operations per random walk.
const STEPS: u32 = 40_000;

/// The largest blocks of random walks.
const LARGEST: [usize; 4] = [32, 300, 3_000, 30_000];

/// Block sizes near the bounds between bins, and alignments.
const SIZES: [usize; 12] = [8, 16, 24, 40, 96, 128, 200, 512, 640, 1024, 2048, 5000];
const ALIGNS: [usize; 4] = [16, 64, 256, 2048];

/// How often each slow operation is repeated.
const TRIES: usize = 40;

/// Runs all scripts. Returns the costs.
pub fn run<H: Heap>(clock: &Clock, size: usize) -> Tallies {
    let mut tallies = Tallies::default();
    let mut trial = |script: &dyn Fn(&mut Trial<'_, H>, &mut Rng)| {
        let mut random = Rng::with_seed(1);
        script(&mut Trial::new(clock, &mut tallies, size), &mut random);
    };
    for largest in LARGEST {
        trial(&|trial, random| walk(trial, random, largest));
    }
    for size in SIZES {
        for chunks in (1..=8).flat_map(|log2| (1 << log2) - 1..(1 << log2) + 2) {
            trial(&|trial, random| last(trial, random, size, chunks));
        }
        trial(&|trial, random| comb(trial, random, size));
        trial(&|trial, random| nearly(trial, random, size));
        for align in ALIGNS {
            trial(&|trial, random| askew(trial, random, size, align));
        }
    }
    tallies
}

/// Random operations. The heap is filled until a request fails, then partly emptied, and so on.
fn walk<H: Heap>(trial: &mut Trial<'_, H>, random: &mut Rng, largest: usize) {
    let mut fills = true;
    let mut few = 0;
    for _ in 0..STEPS {
        let keeps_on = random.u8(..10) > 0;
        match random.u8(..8) {
            0 if trial.len() > 0 => trial.resize(below(random, trial.len()), any(random, largest)),
            _ if fills == keeps_on || trial.len() == 0 => {
                let align = if random.u8(..8) == 0 { 8 << random.u32(..8) } else { 8 };
                if !trial.malloc(any(random, largest), align) && random.u8(..8) == 0 {
                    fills = false;
                    few = below(random, trial.len());
                }
            }
            _ => trial.free(below(random, trial.len())),
        }
        fills |= trial.len() <= few;
    }
    while trial.len() > 0 {
        trial.free(below(random, trial.len()));
    }
}

/// Every other block is free, so a larger request fails. Then the remaining blocks are freed, each of them between two
/// free chunks.
fn comb<H: Heap>(trial: &mut Trial<'_, H>, random: &mut Rng, size: usize) {
    while trial.malloc(size, 8) {}
    free_every_other(trial);
    for _ in 0..TRIES {
        trial.malloc(size + 8, 8);
        trial.resize(below(random, trial.len()), size + 8);
        trial.malloc(size, 1 << random.u32(4..10));
        trial.malloc(size, 8);
    }
    while trial.len() > 0 {
        trial.free(below(random, trial.len()));
    }
}

/// All free chunks are a few bytes too small for the request.
fn nearly<H: Heap>(trial: &mut Trial<'_, H>, random: &mut Rng, size: usize) {
    let ask = size + size / 16 + 8;
    fill_by_twos(trial, |_| size + below(random, size / 16 + 1));
    for _ in 0..TRIES {
        trial.malloc(ask, 8);
        trial.malloc(size, 8);
    }
}

/// All free chunks are large enough, but most cannot hold the block at its alignment.
fn askew<H: Heap>(trial: &mut Trial<'_, H>, random: &mut Rng, size: usize, align: usize) {
    fill_by_twos(trial, |_| size + below(random, align));
    for _ in 0..TRIES {
        trial.malloc(size, align);
        trial.malloc(size + 8 * below(random, 4), align);
    }
}

/// All free chunks except the one freed first are slightly too small. A heap that examines the most recently freed
/// chunk first examines all of them.
fn last<H: Heap>(trial: &mut Trial<'_, H>, random: &mut Rng, size: usize, chunks: usize) {
    let ask = size + size / 16 + 8;
    for _ in 1..chunks {
        let _ = trial.malloc(size + below(random, size / 16 + 1), 8) && trial.malloc(8, 8);
    }
    let _ = trial.malloc(ask, 8) && trial.malloc(8, 8);
    let between = trial.len();
    for rest in (3..19).rev() {
        while trial.malloc(1 << rest, 8) {}
    }
    for number in (0..between).rev().filter(|number| number % 2 == 0) {
        trial.free(number);
    }
    trial.malloc(ask, 8);
}

/// Fills the heap with blocks of these sizes, each followed by a small one. Frees the former.
fn fill_by_twos<H: Heap>(trial: &mut Trial<'_, H>, mut size: impl FnMut(usize) -> usize) {
    while trial.malloc(size(trial.len()), 8) && trial.malloc(8, 8) {}
    free_every_other(trial);
}

/// Frees the first block, the third one, and so on.
fn free_every_other<H: Heap>(trial: &mut Trial<'_, H>) {
    // In reverse order, because the last block takes the number of a freed one.
    for number in (0..trial.len()).rev().filter(|number| number % 2 == 0) {
        trial.free(number);
    }
}

/// A random size. Small sizes are frequent.
fn any(random: &mut Rng, largest: usize) -> usize {
    let most = 1 + below(random, largest);
    1 + below(random, most)
}

fn below(random: &mut Rng, end: usize) -> usize {
    random.u32(..end as u32) as usize
}
