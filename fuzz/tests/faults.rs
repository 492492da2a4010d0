//! Faults planted in random programs. Each level of checks catches what it promises to catch.
//!
//! `cargo xtask faults` plants more faults, and prints tables.

#![cfg(all(unix, not(miri)))]

use std::collections::BTreeMap;
use std::process::Command;

use talloc_fuzz::faults::{Class, Family, Outcome, Tally, Verdict};

/// The number of faults of each class on each level.
const EACH: usize = 40;

/// Counts of outcomes, as printed by the program.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    planted: usize,
    caught: usize,
    /// Faults caught after something was corrupted.
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
        // Most of the processes crash. Under AddressSanitizer, each would look up the names of its functions.
        .env("ASAN_OPTIONS", "detect_leaks=0:symbolize=0")
        .output()
        .expect("the program can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("the output is UTF-8");
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

/// Expects that all faults were planted.
fn expect_all_planted(found: &BTreeMap<&str, Counts>) {
    for class in Class::all() {
        assert_eq!(found[class.name()].planted, EACH, "{}", class.name());
    }
}

/// On any level, calls that must fail fail, and the heap survives what it must survive.
fn expect_refusals(found: &BTreeMap<&str, Counts>) {
    for class in Class::all().filter(|class| class.family() == Family::Refusal) {
        let counts = &found[class.name()];
        assert_eq!(counts.caught + counts.harmless, EACH, "{}: {counts:?}", class.name());
    }
    for class in [Class::Extreme, Class::Management] {
        assert_eq!(found[class.name()].caught, EACH, "{}", class.name());
    }
}

/// The classes that any heap that knows its blocks reports, before anything has changed.
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

/// Expects a level to catch these classes before anything is corrupted.
fn expect_caught(found: &BTreeMap<&str, Counts>, classes: impl IntoIterator<Item = Class>) {
    for class in classes {
        let counts = &found[class.name()];
        assert_eq!((counts.caught, counts.late), (EACH, 0), "{}: {counts:?}", class.name());
    }
}

/// The injector plants faults that do damage: a heap without checks reports nothing, and does not survive them.
#[test]
fn plain_heaps_report_nothing() {
    let found = plant("plain");
    expect_all_planted(&found);
    expect_refusals(&found);
    for class in Class::all().filter(|class| class.family() == Family::Error) {
        let counts = &found[class.name()];
        assert_eq!(counts.caught, 0, "{}: {counts:?}", class.name());
        // A block's alignment does not affect how it is freed.
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

/// These heaps have no quick lists, so they have no faults of lists.
#[test]
fn checked_heaps_without_caches_report_wrong_calls() {
    for level in ["checked-real-time", "checked-micro"] {
        let found = plant(level);
        expect_refusals(&found);
        expect_caught(&found, KNOWN);
        assert_eq!(found[Class::QuickLink.name()].planted, 0);
    }
}

/// Structures in free memory, and those that point to it.
const STRUCTURES: [Class; 6] = [
    Class::FreeLink,
    Class::FreeSize,
    Class::Bitmap,
    Class::BinHead,
    Class::QuickHead,
    Class::QuickLink,
];

/// Expects that these classes never corrupt the program's memory without a report. An assertion of the heap may notice
/// overwritten memory first and panic.
fn expect_none_missed(found: &BTreeMap<&str, Counts>, classes: impl IntoIterator<Item = Class>) {
    for class in classes {
        let counts = &found[class.name()];
        let crashed = if cfg!(debug_assertions) { 0 } else { counts.crashed };
        assert_eq!((counts.missed, crashed), (0, 0), "{}: {counts:?}", class.name());
    }
}

#[test]
fn hardened_heaps_use_no_overwritten_structures() {
    let found = plant("hardened");
    expect_all_planted(&found);
    expect_refusals(&found);
    expect_caught(&found, KNOWN.into_iter().chain([Class::PanickingHandler]));
    expect_none_missed(&found, STRUCTURES);
}

/// With canaries at all blocks, and freed blocks filled completely, no fault stays unnoticed.
#[test]
fn heaps_with_all_measures_detect_overwrites() {
    // This excludes `hardened-micro`, because one in 65,536 random 16-bit values matches by chance.
    for level in ["hardened-all", "hardened-real-time"] {
        let found = plant(level);
        expect_refusals(&found);
        expect_caught(&found, KNOWN);
        expect_none_missed(&found, STRUCTURES);
        expect_none_missed(&found, [Class::Overflow, Class::Underflow, Class::WriteAfterFree]);
    }
}

#[test]
fn outcomes_are_counted_once() {
    let mut tally = Tally::default();
    let verdicts = [
        Verdict::Caught { after: 0, is_late: false },
        Verdict::Caught { after: 9, is_late: true },
        Verdict::Caught { after: 3, is_late: false },
        Verdict::Harmless,
        Verdict::Lost,
        Verdict::Latent,
        Verdict::Missed,
        Verdict::Crashed,
        Verdict::Skipped,
    ];
    for (seed, verdict) in verdicts.into_iter().enumerate() {
        let outcome = Outcome { size: 1 + seed, distance: 40, ..Outcome::new(verdict) };
        tally.add(seed as u64, outcome);
    }
    let all = &tally.all;
    assert_eq!((all.planted, all.caught(), all.late, tally.skipped), (8, 3, 1, 1));
    assert_eq!((all.harmless, all.lost, all.latent, all.missed, all.crashed), (1, 1, 1, 1, 1));
    assert_eq!(all.delays(), Some((9, 9)));
    assert_eq!(tally.by_size.each_ref().map(|row| row.planted), [1, 6, 1, 0, 0, 0]);
    assert_eq!(tally.by_distance.each_ref().map(|row| row.planted), [0, 0, 0, 8, 0]);
    assert_eq!(tally.examples.len(), 5);
}

#[test]
fn classes_have_names_of_their_own() {
    for class in Class::all() {
        assert_eq!(Class::named(class.name()), Some(class));
    }
}

#[test]
fn outcomes_survive_printing_and_parsing() {
    let verdicts = [
        Verdict::Caught { after: 12, is_late: true },
        Verdict::Caught { after: 0, is_late: false },
        Verdict::Harmless,
        Verdict::Lost,
        Verdict::Latent,
        Verdict::Missed,
        Verdict::Crashed,
        Verdict::Skipped,
    ];
    for verdict in verdicts {
        for message in ["", "a block\nhas changed"] {
            let outcome = Outcome::with_message(verdict, message);
            let outcome = Outcome { size: 3, distance: 77, ..outcome };
            assert_eq!(Outcome::parse(&outcome.to_string()), Some(outcome));
        }
    }
    assert_eq!(Outcome::parse("caught 1"), None);
    assert_eq!(Outcome::parse("unknown 0 0 0 0 "), None);
}
