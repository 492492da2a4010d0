//! Random scripts, checked after each step, for many configurations and sizes.
//!
//! `TALLOC_FUZZ_SEED=1234 cargo test -p talloc-fuzz --test all oracle::` runs the scripts of another seed.
//! `TALLOC_FUZZ_SCRIPTS` sets the number of scripts per setup (default: 21).

use talloc_core::{Compact, Talloc};
use talloc_fuzz::supply::{Kind, Supply};
use talloc_fuzz::{Driver, Mix, Profile, Script, Setup, check};

/// The default seed.
const SEED: u64 = 0x7a11_0c03;

/// The default number of scripts per profile, number of arenas, size and mix.
const SCRIPTS: u64 = 21;

/// The number of operations of a script.
const OPS: usize = 400;

/// The minimum number of calls of each test with the default settings, a million in total.
const STEPS: usize = 1_000_000 / 8;

/// Returns a number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a number")),
        Err(_) => default,
    }
}

/// Runs scripts of all mixes with arenas of all sizes.
fn explore(profile: Profile, max_arenas: usize) {
    let seed = setting("TALLOC_FUZZ_SEED", SEED);
    let scripts = setting("TALLOC_FUZZ_SCRIPTS", SCRIPTS);
    let mut steps = 0;
    for size in Setup::SIZES {
        for mix in Mix::ALL {
            for number in 0..scripts {
                // Every source is combined with every size.
                let source = Kind::ALL[number as usize % Kind::ALL.len()];
                let skew = number as usize % 24;
                let setup = Setup { profile, size, skew, source, max_arenas };
                let seed = seed.wrapping_add(number);
                match check(&Script::random(setup, mix, seed, OPS)) {
                    Ok(made) => steps += made,
                    Err(failure) => panic!("{mix:?}, seed {seed:#x}: {failure}"),
                }
            }
        }
    }
    println!("{steps} steps");
    assert!(steps >= STEPS || scripts < SCRIPTS, "{steps} steps are too few");
}

/// Arenas are adjacent often enough for many merges to succeed, but not for all.
#[test]
fn arenas_are_merged() {
    let (profile, source) = (Profile::Compact, Kind::Refuse);
    let (mut merged, mut refused) = (0, 0);
    for seed in 0..100 {
        let setup = Setup { profile, size: 4096, skew: 0, source, max_arenas: 6 };
        let script = Script::random(setup.clone(), Mix::Arenas, seed, OPS);
        let heap = Talloc::<Compact, _>::with_source(Supply::new(source));
        let mut driver = Driver::new(heap, &setup);
        driver.run(&script.ops).unwrap_or_else(|message| panic!("seed {seed}: {message}"));
        let calls = driver.trace().to_string();
        for call in calls.lines().filter(|call| call.contains(".merge(")) {
            *if call.contains("refused") { &mut refused } else { &mut merged } += 1;
        }
    }
    println!("{merged} merged, {refused} refused");
    assert!(merged > 100 && refused > 100, "{merged} merged, {refused} refused");
}

#[test]
fn compact_in_one_arena() {
    explore(Profile::Compact, 1);
}

#[test]
fn compact_in_several_arenas() {
    explore(Profile::Compact, 6);
}

#[test]
fn real_time_in_one_arena() {
    explore(Profile::RealTime, 1);
}

#[test]
fn real_time_in_several_arenas() {
    explore(Profile::RealTime, 6);
}

#[test]
fn micro_in_one_arena() {
    explore(Profile::Micro, 1);
}

#[test]
fn micro_in_several_arenas() {
    explore(Profile::Micro, 6);
}

#[test]
fn shrunk_in_one_arena() {
    explore(Profile::Shrunk, 1);
}

#[test]
fn shrunk_in_several_arenas() {
    explore(Profile::Shrunk, 6);
}

#[test]
fn checked_in_one_arena() {
    explore(Profile::Checked, 1);
}

#[test]
fn checked_in_several_arenas() {
    explore(Profile::Checked, 6);
}

#[test]
fn checked_micro_in_several_arenas() {
    explore(Profile::CheckedMicro, 6);
}

#[test]
fn checked_shrunk_in_several_arenas() {
    explore(Profile::CheckedShrunk, 6);
}

#[test]
fn hardened_in_one_arena() {
    explore(Profile::Hardened, 1);
}

#[test]
fn hardened_in_several_arenas() {
    explore(Profile::Hardened, 6);
}

#[test]
fn hardened_micro_in_several_arenas() {
    explore(Profile::HardenedMicro, 6);
}

#[test]
fn hardened_shrunk_in_several_arenas() {
    explore(Profile::HardenedShrunk, 6);
}
