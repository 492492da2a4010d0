//! Checks that defmt prints the heap's reports and errors like `core::fmt`.
//!
//! The program of `xtask/defmt` prints everything with both. defmt writes only the addresses of texts;
//! `defmt-print` finds the texts in the program's file.

use anyhow::{Context, Result, ensure};

use super::program;
use super::qemu::{self, Board, Clock};
use crate::tools;
use crate::workspace::Workspace;

const PROGRAM: &str = "talloc-defmt";

/// The text between the outputs of defmt and `core::fmt` for the same value.
const BETWEEN: &str = " | ";

pub const HOW_TO_GET: &str = "cargo install defmt-print";

pub fn run(workspace: &Workspace, triple: &str, board: Board) -> Result<String> {
    // Report missing programs before building.
    board.command(workspace, PROGRAM, &[], Clock::Usual)?;
    let printer = tools::require("defmt-print", HOW_TO_GET)?;
    let image = program::build(workspace, triple, PROGRAM, &[])?;
    let log = workspace.scratch("targets").join("defmt.log");
    board
        .command(workspace, image.as_str(), &[PROGRAM], Clock::Usual)?
        .run_writing(log.as_std_path())?;

    let script = "exec \"$0\" --log-format '{s}' -e \"$1\" <\"$2\"";
    let ran = qemu::limited(workspace)?
        .args(["sh", "-c", script])
        .args([printer])
        .args([image.as_str(), log.as_str()])
        .run_reading()?;
    ensure!(ran.code == Some(0), "defmt-print has ended with {:?}", ran.code);
    Ok(format!("{} texts are the same by defmt and by core::fmt", compare(&ran.text)?))
}

/// Checks that both halves of each line are the same. Returns the number of lines.
fn compare(text: &str) -> Result<usize> {
    let mut count = 0;
    for line in text.lines().take_while(|line| *line != "passed") {
        let (by_defmt, by_fmt) = line.split_once(BETWEEN).with_context(|| {
            format!("this is no value, printed by the one and by the other: {line}")
        })?;
        ensure!(by_defmt == by_fmt, "defmt prints \"{by_defmt}\", core::fmt \"{by_fmt}\"");
        count += 1;
    }
    ensure!(text.lines().last() == Some("passed"), "the program does not say that it has passed");
    ensure!(count > 0, "nothing was printed");
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_compared() {
        assert_eq!(compare("a | a\nb c | b c\npassed\n").unwrap(), 2);
        assert!(compare("a | a\nb c | b d\npassed\n").is_err());
        assert!(compare("a | a\nb\npassed\n").is_err());
        assert!(compare("a | a\n").is_err());
        assert!(compare("passed\n").is_err());
    }
}
