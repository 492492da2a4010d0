//! Each measurement of hosted allocators is answered by a process of its own.

use std::path::Path;
use talloc_benches::{
    hosted::{
        aging::{Age, Round},
        allocators::ALLOCATORS,
        child,
        give_back::GivenBack,
    },
    registry::NULL,
    threads::work::Work,
};

fn ask<const N: usize>(arguments: &[&str]) -> anyhow::Result<Vec<[f64; N]>> {
    let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    child::ask(Path::new(env!("CARGO_BIN_EXE_talloc-benches")), &arguments)
}

#[test]
fn every_allocator_is_replayed_on() {
    let names = ALLOCATORS.iter().map(|allocator| allocator.name).chain([NULL.name]);
    for name in names {
        let records =
            ask(&["age", "--allocator", name, "--workload", "rg-mt", "--rounds", "3"]).unwrap();
        let rounds: Vec<_> = records.into_iter().map(Round::from_record).collect();
        assert_eq!(rounds.len(), 3, "{name}");
        assert!(Age::ALL.iter().all(|age| age.of(&rounds).unwrap() > 0.0), "{name} {rounds:?}");
        // More than the trace's live blocks, less than all that it allocates.
        let peak = rounds[2].peak / f64::from(1 << 20);
        assert!(name == NULL.name || (0.5..200.0).contains(&peak), "{name}: {peak} MiB");
    }
}

#[test]
fn every_allocator_does_every_work() {
    for allocator in ALLOCATORS {
        for work in Work::ALL {
            let place = ["work", "--allocator", allocator.name, "--work", work.name()];
            let load = ["--threads", "3", "--calls", "60000", "--sizes", "log-20000"];
            let records = ask::<3>(&[&place[..], &load].concat()).unwrap();
            let [wall, processors, peak] = records[0];
            assert!(wall > 0.0 && processors > 0.0 && peak > 0.0, "{} {work:?}", allocator.name);
        }
    }
}

#[test]
fn memory_goes_back() {
    let answer = ask(&["give-back", "--allocator", "SystemTalloc", "--bytes", "50000000"]).unwrap();
    let given = GivenBack::from_record(answer[0]);
    assert!(given.full > 50e6 && given.trimmed < given.full / 2.0, "{given:?}");
    assert!(given.live < 5e6 && given.longest > given.free, "{given:?}");
}

#[test]
fn what_is_not_known_is_an_error() {
    let place = ["age", "--workload", "rg-mt", "--rounds", "1"];
    assert!(ask::<3>(&[&place[..], &["--allocator", "none"]].concat()).is_err());
    assert!(ask::<2>(&[&place[..], &["--allocator", "system"]].concat()).is_err());
}
