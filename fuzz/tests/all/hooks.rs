//! Random scripts whose source sometimes panics. For the shadow heap, a request that unwinds is one that is refused.

use talloc_core::{Checked, Compact, Config, Micro, RealTime};
use talloc_fuzz::supply::{Kind, Supply};
use talloc_fuzz::{Catches, Driver, Mix, Profile, Script, Setup, Shrunk};

/// The number of operations of a script.
const OPS: usize = 400;

/// The minimum number of calls for each profile, a million in total.
const STEPS: usize = 1_000_000 / 8;

fn explore<C: Config>(profile: Profile, max_arenas: usize) {
    let (mut steps, mut caught) = (0, 0);
    for seed in 0.. {
        // Every source is combined with every size and mix.
        let number = seed as usize;
        let source = Kind::ALL[number % Kind::ALL.len()];
        let number = number / Kind::ALL.len();
        let size = Setup::SIZES[number % Setup::SIZES.len()];
        let number = number / Setup::SIZES.len();
        let mix = Mix::ALL[number % Mix::ALL.len()];
        let setup = Setup { profile, size, skew: seed as usize % 24, source, max_arenas };
        let supply = Supply::new(source).with_fuse(1 + seed as usize % 5);
        let heap = Catches::<C>::new(supply);
        let mut driver = Driver::new(heap, &setup);
        let script = Script::random(setup, mix, seed, OPS);
        if let Err(message) = driver.run(&script.ops) {
            panic!("seed {seed}: {message}\n{}", driver.trace());
        }
        steps += driver.steps();
        caught += driver.heap().caught();
        if steps >= STEPS {
            break;
        }
    }
    println!("{steps} steps, {caught} panics");
    assert!(caught > steps / 1000, "{caught} panics in {steps} steps");
}

#[test]
fn of_compact_heaps() {
    explore::<Compact>(Profile::Compact, 6);
}

#[test]
fn of_heaps_in_real_time() {
    explore::<RealTime>(Profile::RealTime, 6);
}

#[test]
fn of_heaps_of_microcontrollers() {
    explore::<Micro>(Profile::Micro, 6);
}

#[test]
fn of_heaps_with_few_bins() {
    explore::<Shrunk>(Profile::Shrunk, 6);
}

#[test]
fn of_checked_heaps() {
    explore::<Checked>(Profile::Checked, 6);
}

#[test]
fn of_checked_heaps_in_real_time() {
    explore::<Checked<RealTime>>(Profile::CheckedRealTime, 6);
}

#[test]
fn of_checked_heaps_of_microcontrollers() {
    explore::<Checked<Micro>>(Profile::CheckedMicro, 6);
}

#[test]
fn of_checked_heaps_with_few_bins() {
    explore::<Checked<Shrunk>>(Profile::CheckedShrunk, 6);
}
