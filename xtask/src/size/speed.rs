//! The speed of modules in Node.

use std::fs;

use anyhow::{Context, Result, ensure};
use comfy_table::Table;

use super::program::Recipe;
use super::table_of;
use super::wasm::{ALLOCATORS, TRIPLE};
use crate::targets::INSTALL;
use crate::tools;
use crate::workspace::Workspace;

/// The largest blocks, in bytes.
const LARGEST: [&str; 3] = ["64", "512", "8192"];

/// Times random actions with blocks of each size, all modules in each round, one after the other.
pub fn table(workspace: &Workspace, actions: u32, rounds: u32) -> Result<Table> {
    let node = tools::require("node", &format!("{INSTALL} nodejs"))?;
    let recipe = Recipe::new(workspace, TRIPLE)?;
    let folder = workspace.scratch("size");
    fs::create_dir_all(&folder)?;
    let allocators = || [("none", "nothing")].into_iter().chain(ALLOCATORS);
    let mut modules = Vec::new();
    for (feature, _) in allocators() {
        let copy = folder.join(format!("{feature}.wasm"));
        fs::copy(recipe.build("fastest", &[feature, "speed"])?, &copy)?;
        modules.push(copy);
    }
    let script = workspace.root().join("xtask/sizes/run.mjs");
    let mut columns = Vec::new();
    for largest in LARGEST {
        let said = workspace
            .program(&node)
            .args([script.as_str(), &rounds.to_string(), &actions.to_string(), largest])
            .args(&modules)
            .run_reading()?;
        ensure!(said.code == Some(0), "the modules have not run to their end");
        columns.push(parse(&said.text, modules.len())?);
    }
    let mut rows = Vec::new();
    for (number, (_, name)) in allocators().enumerate().skip(1) {
        let cell = |column: &Vec<Timed>| {
            let (timed, none) = (&column[number], &column[0]);
            format!("{:.1}, {}", timed.nanoseconds - none.nanoseconds, timed.pages)
        };
        let [a, b, c] = [0, 1, 2].map(|number| cell(&columns[number]));
        rows.push([name.to_owned(), a, b, c]);
    }
    let heading = LARGEST.map(|largest| format!("of up to {largest} bytes"));
    let [a, b, c] = &heading;
    Ok(table_of(["nanoseconds per action, and pages of memory; blocks", a, b, c], rows))
}

/// The result of a module.
#[derive(Debug, PartialEq)]
struct Timed {
    nanoseconds: f64,
    pages: u32,
}

/// Reads the output of the script: for each module, a line with the time and the pages.
fn parse(text: &str, count: usize) -> Result<Vec<Timed>> {
    let read = |line: &str| -> Option<Timed> {
        let (time, pages) = line.split_once(' ')?;
        Some(Timed { nanoseconds: time.parse().ok()?, pages: pages.parse().ok()? })
    };
    let timed: Option<Vec<Timed>> = text.lines().map(read).collect();
    let timed = timed.with_context(|| format!("these are not times: {text}"))?;
    ensure!(timed.len() == count, "{} modules have been timed, not {count}", timed.len());
    Ok(timed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_or_missed() {
        let timed = parse("12.5 17\n3 1\n", 2).unwrap();
        assert_eq!(timed[0], Timed { nanoseconds: 12.5, pages: 17 });
        assert_eq!(timed[1], Timed { nanoseconds: 3.0, pages: 1 });
        assert!(parse("12.5 17\n", 2).is_err());
        assert!(parse("12.5\n", 1).is_err());
        assert!(parse("RuntimeError: unreachable\n", 1).is_err());
    }
}
