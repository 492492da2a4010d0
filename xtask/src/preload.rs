//! `preload`: real programs with talloc's `malloc` instead of the C library's.
//!
//! Each program does the same work twice, in the same folder: with the C library's allocator, and with
//! talloc preloaded. Its output and the files that it leaves must be the same, byte for byte. The dynamic linker shows
//! whether all of its processes called talloc.

pub mod bindings;
mod compare;
mod exports;
mod instructions;
mod pairs;
mod process;
mod recipe;

use std::fs::{self, File};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};
use clap::builder::PossibleValuesParser;
use object::{Object, ObjectSection, ReadCache};

use crate::measured;
use crate::tables;
use crate::tools;
use crate::workspace::{INTERFACE, Workspace};
use process::Process;
use recipe::{RECIPES, Recipe};

/// The time limit of a program.
const PATIENCE: Duration = Duration::from_secs(900);

/// The most bytes of variables that the library's file may hold.
const MAX_DATA: u64 = 64 << 10;

#[derive(clap::Args)]
pub struct Args {
    /// Only these.
    #[arg(value_parser = PossibleValuesParser::new(RECIPES.map(|recipe| recipe.name)))]
    programs: Vec<String>,
    /// Use the heap that finds misuse.
    #[arg(long)]
    checked: bool,
    /// Use the heap that also finds overwritten memory.
    #[arg(long, conflicts_with = "checked")]
    hardened: bool,
    /// Instead, count the instructions of programs with each heap, and of single calls, with valgrind.
    #[arg(long, conflicts_with_all = ["programs", "checked", "hardened", "skip_missing"])]
    instructions: bool,
    /// Leave out programs that are not installed, instead of failing.
    #[arg(long)]
    skip_missing: bool,
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "libraries are preloaded on Linux only");
    if args.instructions {
        return print_instructions(workspace);
    }
    let asked_for = |recipe: &&Recipe| {
        args.programs.is_empty() || args.programs.iter().any(|p| p == recipe.name)
    };
    let recipes: Vec<&Recipe> = RECIPES.iter().filter(asked_for).collect();
    let (present, missing) = sort_out(&recipes, args.skip_missing)?;
    let level = match (args.checked, args.hardened) {
        (true, _) => Level::Checked,
        (_, true) => Level::Hardened,
        _ => Level::Plain,
    };
    let library = build(workspace, level)?;
    let place = workspace.scratch("preload");

    let mut table = tables::with_heading([
        "program",
        "outcome",
        "processes",
        "same bytes",
        "peak KiB",
        "ours",
        "ratio",
    ]);
    let mut failed = Vec::new();
    for recipe in present {
        eprintln!("\n== {}: {}", recipe.name, recipe.about);
        match try_out(recipe, &place, &library) {
            Ok(tried) => drop(table.add_row(tried.row(recipe.name))),
            Err(error) => {
                eprintln!("{error:#}");
                table.add_row([recipe.name, "FAILED"]);
                failed.push(recipe.name);
            }
        }
    }
    for recipe in missing {
        table.add_row([recipe.name, "not installed"]);
    }
    tables::align_numbers(&mut table, 2);
    println!("\n{table}");
    ensure!(failed.is_empty(), "not the same, or not ours: {}", failed.join(", "));
    Ok(())
}

/// Prints the instructions of programs, with the C library's allocator and with talloc.
fn print_instructions(workspace: &Workspace) -> Result<()> {
    let place = workspace.scratch("preload").join("instructions");
    let mut table =
        tables::with_heading(["millions of instructions"].into_iter().chain(instructions::names()));
    let mut add = |name: &str, counts: Vec<u64>| {
        let counts = counts.into_iter().map(|count| format!("{:.1}", count as f64 / 1e6));
        table.add_row([name.to_owned()].into_iter().chain(counts));
    };
    add("the C library", instructions::count(&place, None)?);
    let levels =
        [("sizes in front of blocks", Level::Plain), ("sizes in the bitmap", Level::Checked)];
    for (name, level) in levels {
        let library = build(workspace, level)?;
        add(name, instructions::count(&place, Some(&library))?);
    }
    tables::align_numbers(&mut table, 1);
    println!("\n{table}");
    pairs::check(workspace)
}

/// Those whose programs are installed, and others.
///
/// # Errors
///
/// If there are others, and they are not to be skipped.
fn sort_out<'a>(
    recipes: &[&'a Recipe],
    skip_missing: bool,
) -> Result<(Vec<&'a Recipe>, Vec<&'a Recipe>)> {
    let (mut present, mut missing) = (Vec::new(), Vec::new());
    for recipe in recipes {
        match recipe.find() {
            Ok(()) => present.push(*recipe),
            Err(_) if skip_missing => missing.push(*recipe),
            Err(error) => return Err(error),
        }
    }
    Ok((present, missing))
}

/// The level of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Plain,
    Checked,
    Hardened,
}

/// Builds the library, to be preloaded.
pub fn build(workspace: &Workspace, level: Level) -> Result<Utf8PathBuf> {
    let target = workspace.scratch("preload").join("target");
    let features = match level {
        Level::Plain => "override",
        Level::Checked => "override,checked",
        Level::Hardened => "override,hardened",
    };
    workspace
        .cargo(["build", "--release", "-p", INTERFACE, "--no-default-features"])
        .args(["--features", features, "--target-dir", target.as_str()])
        .run()?;
    let library = target.join("release/libtalloc_capi.so");
    expect_small_data(&library)?;
    exports::check(&library, level != Level::Plain)?;
    Ok(library)
}

/// Expects that the heap is made of zeros, which take no room in the library's file, nor of the memory
/// of each process.
fn expect_small_data(library: &Utf8Path) -> Result<()> {
    let file = File::open(library).with_context(|| format!("{library} is not there"))?;
    let cache = ReadCache::new(file);
    let file = object::File::parse(&cache)?;
    let section = file.section_by_name(".data").context("there is no section of variables")?;
    let size = section.size();
    ensure!(size <= MAX_DATA, "{library} holds {size} bytes of variables, more than {MAX_DATA}");
    Ok(())
}

/// The results of a program that did the same work twice.
struct Tried {
    processes: usize,
    bytes: u64,
    /// The largest process, in KiB, without and with the library.
    peaks: [u64; 2],
    /// The size of this process, in KiB.
    least: u64,
}

impl Tried {
    fn row(&self, name: &str) -> [String; 7] {
        let [theirs, ours] = self.peaks;
        // The reported size of a process is at least that of its parent.
        let is_measured = theirs > 2 * self.least;
        let shown = |peak: u64| if is_measured { peak.to_string() } else { "small".to_owned() };
        let ratio = is_measured.then(|| format!("{:.3}", ours as f64 / theirs as f64));
        [
            name.to_owned(),
            "same".to_owned(),
            self.processes.to_string(),
            self.bytes.to_string(),
            shown(theirs),
            shown(ours),
            ratio.unwrap_or_default(),
        ]
    }
}

/// Lets a program do the same work without and with the library, and compares the results.
fn try_out(recipe: &Recipe, place: &Utf8Path, library: &Utf8Path) -> Result<Tried> {
    let shell = tools::require("sh", "install the system's package `dash`")?;
    let place = place.join(recipe.name);
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    let script = place.join("script.sh");
    let run_in = |result: &Utf8Path, preloaded: Option<&Utf8Path>| -> Result<u64> {
        // Both times the folder has the same name, which may be part of what is written.
        let work = place.join("work");
        fs::create_dir_all(&work)?;
        fs::write(&script, recipe.script)?;
        for (name, contents) in recipe.files {
            fs::write(work.join(name), contents)?;
        }
        let process = Process { shell: &shell, script: &script, folder: &work, preloaded };
        let peak = process.run(PATIENCE)?;
        fs::rename(&work, result)?;
        Ok(peak)
    };
    let results = [place.join("theirs"), place.join("ours")];
    let trace = place.join("trace");
    fs::create_dir_all(&trace)?;
    let theirs = run_in(&results[0], None).context("with the C library's allocator")?;
    let ours = run_in(&results[1], Some(library)).context("with the library preloaded")?;
    let processes = bindings::check(&trace, library, recipe.programs)?;
    fs::remove_dir_all(&trace)?;
    let bytes = compare::folders(&results[0], &results[1])?;
    Ok(Tried { processes, bytes, peaks: [theirs, ours], least: measured::own_peak()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_a_failure_unless_it_may_be_skipped() {
        let missing = Recipe { needs: &[("no-such-program", "no-such-package")], ..RECIPES[0] };
        let error = sort_out(&[&missing], false).unwrap_err().to_string();
        assert!(error.contains("no-such-program"), "{error}");
        assert!(error.contains("apt-get install no-such-package"), "{error}");
        let (present, missing) = sort_out(&[&missing], true).unwrap();
        assert_eq!((present.len(), missing.len()), (0, 1));
    }
}
