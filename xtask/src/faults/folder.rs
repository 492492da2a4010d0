//! Programs with faults that have been built before, such as those of mimalloc-bench. They are not part of this project.
//!
//! A program has one fault. It prints [`MISSED`] if it is still running afterwards.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use super::libraries::Library;
use super::table;
use crate::tools::is_program;

/// The text that a program prints if nothing has stopped it.
const MISSED: &[u8] = b"NOT_CAUGHT";

/// The time limit of a program in seconds.
const PATIENCE: &str = "10";

/// The status of `timeout` if a program takes longer.
const TIMED_OUT: i32 = 124;

/// Prints the outcome of each program of a folder with each library, and the number of each outcome.
pub fn run(folder: &Utf8Path, libraries: &[Library]) -> Result<()> {
    let programs = programs(folder)?;
    ensure!(!programs.is_empty(), "there are no programs in {folder}");
    let mut columns = Vec::new();
    for library in libraries {
        let outcome = |program: &Utf8PathBuf| {
            let name = program.file_name().unwrap_or_default().to_owned();
            Ok((name, outcome(program, library)?.to_owned()))
        };
        columns.push(programs.iter().map(outcome).collect::<Result<Vec<_>>>()?);
    }
    table::print("program", libraries, &columns);
    Ok(())
}

/// The programs of a folder, by name.
fn programs(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut programs = Vec::new();
    for entry in folder.read_dir_utf8().with_context(|| folder.to_string())? {
        let path = entry?.into_path();
        if is_program(path.as_std_path()) {
            programs.push(path.canonicalize_utf8()?);
        }
    }
    programs.sort();
    Ok(programs)
}

/// The outcome of a program.
fn outcome(program: &Utf8Path, library: &Library) -> Result<&'static str> {
    let mut command = Command::new("timeout");
    command.args([PATIENCE, "env"]);
    if let Some(path) = &library.path {
        command.arg(format!("LD_PRELOAD={path}"));
    }
    let output = command.arg(program).output().context("`timeout` cannot be started")?;
    let is_missed = output.stdout.windows(MISSED.len()).any(|part| part == MISSED);
    let code = output.status.code();
    Ok(match (is_missed, code) {
        (_, Some(TIMED_OUT)) => "too slow",
        (true, Some(0)) => "missed",
        (true, _) => "missed, then stopped",
        (false, Some(0)) => "harmless",
        (false, _) => "stopped",
    })
}
