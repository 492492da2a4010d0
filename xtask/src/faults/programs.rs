//! C programs with faults, with each of several libraries in the place of `malloc`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

use crate::cmd::Cmd;
use crate::preload::{self, Level};
use crate::workspace::Workspace;

/// The program of all cases.
const SOURCE: &str = "crates/talloc-capi/tests/c/faults.c";

/// Prints what came of each case with each library, and how often.
pub fn run(workspace: &Workspace, others: &[(String, Utf8PathBuf)]) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "libraries are preloaded on Linux only");
    let place = workspace.scratch("faults");
    fs::create_dir_all(&place)?;
    let program = place.join("faults");
    compile(workspace, &program)?;
    let mut libraries = Vec::new();
    let levels = [
        ("talloc", Level::Plain),
        ("talloc, checked", Level::Checked),
        ("talloc, hardened", Level::Hardened),
    ];
    for (name, level) in levels {
        // The next one is built in the same place.
        let library = place.join(format!("{level:?}.so"));
        fs::copy(preload::build(workspace, level)?, &library)?;
        libraries.push((name.to_owned(), Some(library)));
    }
    libraries.push(("the C library".to_owned(), None));
    libraries.extend(others.iter().map(|(name, path)| (name.clone(), Some(path.clone()))));

    let columns: Vec<Vec<(String, String)>> = libraries
        .iter()
        .map(|(name, library)| {
            outcomes(workspace, &program, library.as_deref())
                .with_context(|| format!("with {name}"))
        })
        .collect::<Result<_>>()?;
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["fault"].into_iter().chain(libraries.iter().map(|library| &*library.0)));
    for (row, (case, _)) in columns[0].iter().enumerate() {
        table.add_row([case].into_iter().chain(columns.iter().map(|column| &column[row].1)));
    }
    table.add_row(
        [String::from("in all")].into_iter().chain(columns.iter().map(|column| sum(column))),
    );
    println!("\n{table}");
    Ok(())
}

fn compile(workspace: &Workspace, program: &Utf8Path) -> Result<()> {
    let compiler = crate::tools::require("cc", "install the system's package `gcc`")?;
    Cmd::new(workspace.shell(), compiler)
        .args(["-std=c11", "-O1", "-fno-builtin", SOURCE, "-lpthread", "-o", program.as_str()])
        .run()
}

/// What came of each case.
fn outcomes(
    workspace: &Workspace,
    program: &Utf8Path,
    library: Option<&Utf8Path>,
) -> Result<Vec<(String, String)>> {
    let command = Cmd::new(workspace.shell(), program);
    let command = match library {
        Some(library) => command.env("LD_PRELOAD", library.as_str()),
        None => command,
    };
    let text = command.read()?;
    let cells = |line: &str| {
        let mut cells = line.split('\t').map(str::to_owned);
        cells.next().zip(cells.next()).with_context(|| format!("`{line}` is no outcome"))
    };
    text.lines().map(cells).collect()
}

/// How often there is which outcome.
fn sum(column: &[(String, String)]) -> String {
    let mut counts = BTreeMap::new();
    for (_, outcome) in column {
        *counts.entry(outcome.as_str()).or_insert(0) += 1;
    }
    let counts: Vec<String> =
        counts.into_iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    counts.join(", ")
}
