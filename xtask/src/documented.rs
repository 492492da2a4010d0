//! Checks of the documentation's statements about tasks and public traits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use clap::{CommandFactory, Parser};

use crate::{Cli, ci};

const README: &str = include_str!("../../README.md");
const TESTING: &str = include_str!("../../crates/README.md");
const SAFETY: &str = include_str!("../../crates/SAFETY.md");
const CI: &str = include_str!("../../.ci/run");

/// Traits that programs cannot name, though they are `pub` for the compiler: the heads of bins, the heap of a
/// `WasmParameters`, and the key and the state of a heap's checks.
const UNNAMEABLE: [&str; 4] = ["Heads", "Heap", "LinkKey", "State"];

/// Rows of the table of claims, each with its cells.
fn rows() -> Vec<Vec<&'static str>> {
    rows_of(TESTING, "| claim |")
}

/// Rows of the table that begins like this, each with its cells.
fn rows_of<'text>(text: &'text str, begin: &str) -> Vec<Vec<&'text str>> {
    let rows = text.lines().skip_while(|line| !line.starts_with(begin)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').collect()).collect()
}

/// The public traits in the files of a folder, and who can implement each: `unsafe`, sealed or safe.
fn find_traits(folder: &Path, traits: &mut BTreeMap<String, &'static str>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_traits(&path, traits);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            traits.extend(text.lines().filter_map(public_trait));
        }
    }
}

/// The public trait that a line declares, if any, and who can implement it.
fn public_trait(line: &str) -> Option<(String, &'static str)> {
    let (rest, is_unsafe) = match line.strip_prefix("pub unsafe trait ") {
        Some(rest) => (rest, true),
        None => (line.strip_prefix("pub trait ")?, false),
    };
    let name = rest.split(|char: char| !char.is_alphanumeric()).next()?;
    let how = match (is_unsafe, rest.contains("Sealed")) {
        (true, _) => "`unsafe`",
        (false, true) => "sealed",
        (false, false) => "safe",
    };
    Some((name.to_owned(), how))
}

/// The texts between backquotes in a line.
fn code(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The arguments of `cargo xtask` in all commands of a text, without placeholders.
fn commands(text: &str) -> Vec<Vec<&str>> {
    let spans = text.lines().flat_map(|line| code(line).chain([line]));
    let commands = spans.filter_map(|span| span.strip_prefix("cargo xtask "));
    let typed = |word: &&str| !word.starts_with('[') && !word.chars().all(char::is_uppercase);
    commands.map(|words| words.split_whitespace().take_while(typed).collect()).collect()
}

#[test]
fn every_row_has_all_cells() {
    assert!(rows().len() > 10);
    for row in rows() {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(!code(row[2]).collect::<Vec<_>>().is_empty(), "{row:?}");
    }
}

#[test]
fn the_table_says_what_ci_runs() {
    let said: BTreeSet<&str> = rows().iter().flat_map(|row| code(row[3])).collect();
    let steps: BTreeSet<&str> = ci::names().chain(["cargo test"]).collect();
    assert_eq!(said, steps);
    for command in ["cargo test", "cargo xtask ci"] {
        assert!(CI.lines().any(|line| line == format!("step {command}")), "{command}");
    }
}

#[test]
fn commands_are_such_as_there_are() {
    let all: Vec<_> = [README, TESTING].into_iter().flat_map(commands).collect();
    for mut words in all.clone() {
        // The reader chooses the step.
        if words.last() == Some(&"--only") {
            words.pop();
        }
        let typed = ["cargo xtask"].iter().chain(&words);
        assert!(Cli::try_parse_from(typed).is_ok(), "cargo xtask {words:?}");
    }
    for task in Cli::command().get_subcommands() {
        let mentioned = all.iter().any(|words| words.first() == Some(&task.get_name()));
        assert!(mentioned, "no README says what `cargo xtask {}` is for", task.get_name());
    }
}

#[test]
fn commands_are_found_in_text() {
    let text =
        "by `cargo xtask loom`, or\ncargo xtask ci --only STEP\nand `cargo xtask targets [NAME]`";
    let found = commands(text);
    assert_eq!(found, [vec!["loom"], vec!["ci", "--only"], vec!["targets"]]);
}

#[test]
fn public_traits_are_such_as_the_table_says() {
    let mut traits = BTreeMap::new();
    for entry in fs::read_dir("../crates").unwrap() {
        let folder = entry.unwrap().path();
        // A program has no interface.
        if folder.is_dir() && !folder.ends_with("talloc-cli") {
            find_traits(&folder.join("src"), &mut traits);
        }
    }
    traits.retain(|name, _| !UNNAMEABLE.contains(&name.as_str()));
    let mut said = BTreeMap::new();
    for row in rows_of(SAFETY, "| trait |") {
        // The text after "of" names the crate.
        let names = row[0].split(" of ").next().unwrap();
        for name in code(names) {
            let name = name.rsplit("::").next().unwrap();
            assert_eq!(said.insert(name.to_owned(), row[1].trim()), None, "{name} is there twice");
        }
    }
    assert!(traits.len() > 10);
    assert_eq!(said, traits);
}

#[test]
fn traits_are_found_in_a_line() {
    for (line, found) in [
        ("pub unsafe trait Host: Sized {", Some(("Host", "`unsafe`"))),
        ("pub trait Binning: sealed::Sealed + 'static {", Some(("Binning", "sealed"))),
        ("pub trait Sink {", Some(("Sink", "safe"))),
        ("    pub trait Sealed {}", None),
        ("pub(crate) trait Reason {", None),
    ] {
        assert_eq!(public_trait(line), found.map(|(name, how)| (name.to_owned(), how)), "{line}");
    }
}
