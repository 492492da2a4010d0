//! This project's programs with faults: one C program, which runs each of its cases in a process.

use anyhow::{Context, Result};
use cargo_metadata::camino::Utf8Path;

use super::libraries::Library;
use super::table::{self, Outcomes};
use crate::cmd::Cmd;
use crate::workspace::Workspace;

/// The program of all cases.
const SOURCE: &str = "crates/talloc-capi/tests/c/faults.c";

/// Prints the outcome of each case with each library, and the number of each outcome.
pub fn run(workspace: &Workspace, libraries: &[Library]) -> Result<()> {
    let program = workspace.scratch("faults").join("faults");
    compile(workspace, &program)?;
    let outcomes = |library: &Library| {
        outcomes(workspace, &program, library).with_context(|| format!("with {}", library.name))
    };
    let columns = libraries.iter().map(outcomes).collect::<Result<Vec<_>>>()?;
    table::print("fault", libraries, &columns);
    Ok(())
}

fn compile(workspace: &Workspace, program: &Utf8Path) -> Result<()> {
    let compiler = crate::tools::require("cc", "install the system's package `gcc`")?;
    Cmd::new(workspace.shell(), compiler)
        .args(["-std=c11", "-O1", "-fno-builtin", SOURCE, "-lpthread", "-o", program.as_str()])
        .run()
}

/// The outcome of each case.
fn outcomes(workspace: &Workspace, program: &Utf8Path, library: &Library) -> Result<Outcomes> {
    let command = Cmd::new(workspace.shell(), program);
    let command = match &library.path {
        Some(path) => command.env("LD_PRELOAD", path.as_str()),
        None => command,
    };
    let text = command.read()?;
    let cells = |line: &str| {
        let mut cells = line.split('\t').map(str::to_owned);
        cells.next().zip(cells.next()).with_context(|| format!("`{line}` is no outcome"))
    };
    text.lines().map(cells).collect()
}
