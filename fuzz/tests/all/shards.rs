//! Random scripts of logical threads that have a heap each.

use talloc_fuzz::ops::Pick;
use talloc_fuzz::shards::{Op, Script, Setup, Step, check};

/// The number of scripts, and of steps of each.
const SCRIPTS: u64 = 200;
const STEPS: usize = 300;

#[test]
fn heaps_of_threads_do_what_they_promise() {
    let mut calls = 0;
    for seed in 0..SCRIPTS {
        let script = Script::random(seed, STEPS);
        calls += check(&script).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    }
    println!("{calls} calls");
    assert!(calls > 100_000, "{calls} calls are too few");
}

#[test]
fn a_block_that_stays_mapped_for_lack_of_memory_is_unmapped_later() {
    let setup = Setup { threads: 2, slices: 2, gives_zeros: true, has_barrier: true };
    let steps = [
        (0, Op::Allocate { size: 200 << 10, align: 8, zeroed: false }),
        // No addresses are left for a heap of the other thread.
        (0, Op::AllocateMany { size: 2000, blocks: 100 }),
        (1, Op::Resize { pick: Pick(0), size: 100 }),
        // A resized block is the last one.
        (1, Op::Resize { pick: Pick(255), size: 60 }),
        (1, Op::Resize { pick: Pick(255), size: 100 << 10 }),
        (1, Op::Resize { pick: Pick(255), size: 300 }),
        (1, Op::Deallocate { pick: Pick(255) }),
    ];
    let steps = steps.map(|(thread, op)| Step { thread, op }).into();
    check(&Script { setup, steps }).unwrap_or_else(|failure| panic!("{failure}"));
}
