//! Random scripts of logical threads that have a heap each.

use talloc_fuzz::shards::{Script, check};

/// Scripts, and steps of each.
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
    assert!(calls > 100_000, "{calls} calls are too few to mean anything");
}
