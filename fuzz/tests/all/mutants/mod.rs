//! Tests of the oracle: each heap here has one fault, which the oracle must detect and name.

#![allow(clippy::undocumented_unsafe_blocks, reason = "a fault passes its own arguments on")]

mod arenas;
mod blocks;
mod discard;
mod mutant;
mod whole;

use talloc_fuzz::ops::Pick;
use talloc_fuzz::supply::Kind;
use talloc_fuzz::{Mix, Op, Profile, Script, Setup, run_on};

use mutant::{Faults, HONEST, Mutant};

/// The number of random scripts for each mutant.
const SCRIPTS: u64 = 30;

/// Returns an operation that allocates.
const fn malloc(size: usize, align: usize) -> Op {
    Op::Malloc { size, align }
}

/// Select the first and the last of all blocks or arenas.
const FIRST: Pick = Pick(0);
const LAST: Pick = Pick(255);

/// Returns a setup with ample memory.
fn setup(source: Kind) -> Setup {
    Setup { profile: Profile::RealTime, size: 4096, skew: 3, source, max_arenas: 3 }
}

/// Returns a script of these operations.
fn script(source: Kind, ops: &[Op]) -> Script {
    Script { setup: setup(source), ops: ops.to_vec() }
}

/// Returns the random scripts.
fn random_scripts() -> impl Iterator<Item = Script> {
    (0..SCRIPTS).map(|seed| {
        let mix = Mix::ALL[seed as usize % Mix::ALL.len()];
        Script::random(setup(Kind::Refuse), mix, seed, 400)
    })
}

/// Expects the oracle to detect a fault with these operations, and with random ones.
#[track_caller]
fn expect(faults: Faults, ops: &[Op], complaint: &str) {
    expect_by(faults, &script(Kind::Refuse, ops), complaint);
    let found = random_scripts().any(|script| run_on(Mutant::new(faults), &script).is_err());
    assert!(found, "random operations do not detect the fault");
}

/// Expects the oracle to detect a fault with a script.
///
/// This is for faults that destroy the heap, after which anything may happen.
#[track_caller]
fn expect_by(faults: Faults, script: &Script, complaint: &str) {
    match run_on(Mutant::with_source(faults, script.setup.source), script) {
        Ok(_) => panic!("the fault was not detected; expected: {complaint}"),
        Err(failure) => {
            assert!(failure.message.contains(complaint), "{failure}\nexpected: {complaint}");
            assert!(failure.calls.contains("heap.arenas_mut().try_init(pool[0x"), "{failure}");
        }
    }
}

#[test]
fn a_heap_without_a_fault_passes() {
    let mut steps = 0;
    for script in random_scripts() {
        steps += run_on(Mutant::new(HONEST), &script).unwrap_or_else(|failure| panic!("{failure}"));
    }
    assert!(steps > 10_000, "{steps} steps are too few");
}
