//! What the documentation says of the tasks is so.

use std::collections::BTreeSet;

use clap::{CommandFactory, Parser};

use crate::{Cli, ci};

const README: &str = include_str!("../../README.md");
const TESTING: &str = include_str!("../../crates/README.md");
const CI: &str = include_str!("../../.ci/run");

/// Rows of the table of claims, each with its cells.
fn rows() -> Vec<Vec<&'static str>> {
    let rows = TESTING.lines().skip_while(|line| !line.starts_with("| claim |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').collect()).collect()
}

/// What stands between backquotes in one line.
fn code(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The arguments of `cargo xtask` in all commands of a text, but for what is not to be typed as it
/// stands.
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
        // The step is the reader's to choose.
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
