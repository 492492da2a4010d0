//! Faults planted in random programs: what each level of heap promises to catch, it catches.
//!
//! `cargo xtask faults` plants more, and prints tables.

#![cfg(all(unix, not(miri)))]

use std::collections::BTreeMap;
use std::process::Command;

use talloc_fuzz::faults::{Class, Family};

/// Faults of each class on each level.
const EACH: usize = 40;

/// Counts of outcomes, as the program prints them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    planted: usize,
    caught: usize,
    /// Of those, after something was corrupted.
    late: usize,
    harmless: usize,
    lost: usize,
    latent: usize,
    missed: usize,
    crashed: usize,
}

/// Plants faults of all classes on a level.
fn plant(level: &str) -> BTreeMap<&'static str, Counts> {
    let each = EACH.to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_faults"))
        .args(["--raw", "--each", &each, "--level", level])
        .output()
        .expect("the program can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it prints text");
    text.lines().map(|line| counts(line, level)).collect()
}

fn counts(line: &str, level: &str) -> (&'static str, Counts) {
    let mut words = line.split(' ');
    let class = words.next().and_then(Class::named).expect("a line starts with a class");
    assert_eq!(words.next(), Some(level));
    let mut number = || words.next().and_then(|word| word.parse().ok()).expect("counts follow");
    let counts = Counts {
        planted: number(),
        caught: number(),
        late: number(),
        harmless: number(),
        lost: number(),
        latent: number(),
        missed: number(),
        crashed: number(),
    };
    (class.name(), counts)
}

/// Expects as many faults as were wanted.
fn expect_all_planted(found: &BTreeMap<&str, Counts>) {
    for class in Class::all() {
        assert_eq!(found[class.name()].planted, EACH, "{}", class.name());
    }
}

/// What must be refused is refused, and what must be survived is survived, on any level.
fn expect_refusals(found: &BTreeMap<&str, Counts>) {
    for class in Class::all().filter(|class| class.family() == Family::Refusal) {
        let counts = &found[class.name()];
        assert_eq!(counts.caught + counts.harmless, EACH, "{}: {counts:?}", class.name());
    }
    for class in [Class::Extreme, Class::Management] {
        assert_eq!(found[class.name()].caught, EACH, "{}", class.name());
    }
}

/// The classes that a heap reports which knows its blocks: before anything has changed, whatever else is on the heap.
const KNOWN: [Class; 12] = [
    Class::DoubleFree,
    Class::DelayedDoubleFree,
    Class::InteriorFree,
    Class::UnalignedFree,
    Class::StackFree,
    Class::StaticFree,
    Class::OtherHeapFree,
    Class::OwnMemoryFree,
    Class::WildFree,
    Class::WrongSize,
    Class::WrongSizeResize,
    Class::WrongAlign,
];

/// Expects that a level catches these classes before anything is corrupted.
fn expect_caught(found: &BTreeMap<&str, Counts>, classes: impl IntoIterator<Item = Class>) {
    for class in classes {
        let counts = &found[class.name()];
        assert_eq!((counts.caught, counts.late), (EACH, 0), "{}: {counts:?}", class.name());
    }
}

/// The injector finds faults that do damage: a heap without checks reports nothing, and does not survive them.
#[test]
fn plain_heaps_report_nothing() {
    let found = plant("plain");
    expect_all_planted(&found);
    expect_refusals(&found);
    for class in Class::all().filter(|class| class.family() == Family::Error) {
        let counts = &found[class.name()];
        assert_eq!(counts.caught, 0, "{}: {counts:?}", class.name());
        // A block's alignment does not matter to the heap that frees it.
        let is_harmful = counts.harmless < EACH;
        assert!(is_harmful || class == Class::WrongAlign, "{}: {counts:?}", class.name());
    }
}

#[test]
fn checked_heaps_report_wrong_calls() {
    let found = plant("checked");
    expect_all_planted(&found);
    expect_refusals(&found);
    expect_caught(&found, KNOWN.into_iter().chain([Class::PanickingHandler]));
}

/// They have no quick lists, and so no faults in these.
#[test]
fn checked_heaps_without_caches_report_wrong_calls() {
    for level in ["checked-real-time", "checked-micro"] {
        let found = plant(level);
        expect_refusals(&found);
        expect_caught(&found, KNOWN);
        assert_eq!(found[Class::QuickLink.name()].planted, 0);
    }
}
