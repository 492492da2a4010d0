//! `suite`: the programs of mimalloc-bench, with several libraries that replace `malloc`.
//!
//! The programs are the field's public yardstick. They are not part of this project: build them first, and pass their
//! folder.

mod commands;

use std::fs::{self, File};
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};
use clap::builder::PossibleValuesParser;

use crate::measured::launcher::Launcher;
use crate::preload;
use crate::tables;
use crate::workspace::Workspace;
use commands::{COMMANDS, Command};

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(clap::Args)]
#[command(after_help = "\
The first column is our library, the second one the C library's own `malloc`. A cell is the median of the rounds: \
seconds, or what a program that runs for a fixed time prints instead, the less the better, and the peak of resident \
memory in MiB. The rounds are interleaved.")]
pub struct Args {
    /// The folder of the programs.
    programs: Utf8PathBuf,
    /// The folder of their inputs: `bench` of mimalloc-bench.
    inputs: Utf8PathBuf,
    /// A library to compare with, as `NAME=PATH`.
    #[arg(long, value_name = "NAME=PATH", value_parser = parse_library)]
    library: Vec<(String, Utf8PathBuf)>,
    /// Numbers of threads.
    #[arg(long, num_args = 1.., default_values_t = [1, 2, 4])]
    threads: Vec<u32>,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these programs.
    #[arg(long, num_args = 1.., value_parser = PossibleValuesParser::new(COMMANDS.map(|command| command.name)))]
    only: Vec<String>,
}

/// Reads the name and the path of a library.
///
/// # Errors
///
/// If there is none.
pub fn parse_library(text: &str) -> Result<(String, Utf8PathBuf)> {
    let (name, path) = text.split_once('=').context("it is `NAME=PATH`")?;
    let path = Utf8PathBuf::from(path);
    ensure!(path.is_file(), "there is no file {path}");
    Ok((name.to_owned(), path.canonicalize_utf8()?))
}

/// The result of a program: its figure, and its peak size in KiB.
type Cell = (f64, u64);

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "libraries are preloaded on Linux only");
    ensure!(args.rounds > 0 && !args.threads.is_empty(), "there is nothing to run");
    let ours = (String::from("talloc"), Some(preload::build(workspace, preload::Level::Plain)?));
    let others = args.library.iter().map(|(name, path)| (name.clone(), Some(path.clone())));
    let libraries: Vec<_> =
        [ours, (String::from("system"), None)].into_iter().chain(others).collect();

    let mut table = tables::with_heading(
        ["program"].into_iter().chain(libraries.iter().map(|library| library.0.as_str())),
    );
    let mut ratios = vec![Vec::new(); libraries.len()];
    for (command, threads) in rows(args) {
        let name = if command.has_threads() {
            format!("{}, {threads}", command.name)
        } else {
            command.name.to_owned()
        };
        let cells = measure(workspace, args, command, threads, &libraries)
            .with_context(|| format!("`{name}`"))?;
        for (ratios, cell) in ratios.iter_mut().zip(&cells) {
            ratios.push((cell.0 / cells[0].0, cell.1 as f64 / cells[0].1 as f64));
        }
        let shown = cells.iter().map(|(figure, peak)| format!("{figure:.2}, {}", peak >> 10));
        table.add_row([name].into_iter().chain(shown));
    }
    let means = ratios.iter().map(|ratios| {
        let mean = |part: fn(&(f64, f64)) -> f64| {
            let sum: f64 = ratios.iter().map(|ratio| part(ratio).ln()).sum();
            (sum / ratios.len() as f64).exp()
        };
        format!("{:.3}, {:.3}", mean(|ratio| ratio.0), mean(|ratio| ratio.1))
    });
    table.add_row([String::from("geometric mean of ratios")].into_iter().chain(means));
    tables::align_numbers(&mut table, 1);
    println!("\n{table}");
    Ok(())
}

/// The requested programs. A program with threads has a row for each number of threads.
fn rows(args: &Args) -> Vec<(&'static Command, u32)> {
    let is_asked_for = |command: &&Command| {
        args.only.is_empty() || args.only.iter().any(|name| name == command.name)
    };
    let with_threads = |command: &'static Command| {
        let count = if command.has_threads() { args.threads.len() } else { 1 };
        args.threads[..count].iter().map(move |threads| (command, *threads))
    };
    COMMANDS.iter().filter(is_asked_for).flat_map(with_threads).collect()
}

/// Runs a program with each library, round after round. Returns the medians.
fn measure(
    workspace: &Workspace,
    args: &Args,
    command: &Command,
    threads: u32,
    libraries: &[(String, Option<Utf8PathBuf>)],
) -> Result<Vec<Cell>> {
    let mut cells = vec![Vec::new(); libraries.len()];
    for _ in 0..args.rounds {
        for ((name, library), cells) in libraries.iter().zip(&mut cells) {
            let cell = run_once(workspace, args, command, threads, library.as_deref());
            cells.push(cell.with_context(|| format!("with {name}"))?);
        }
    }
    let median = |mut cells: Vec<Cell>| {
        cells.sort_by(|a, b| a.0.total_cmp(&b.0));
        cells[cells.len() / 2]
    };
    Ok(cells.into_iter().map(median).collect())
}

fn run_once(
    workspace: &Workspace,
    args: &Args,
    command: &Command,
    threads: u32,
    library: Option<&Utf8Path>,
) -> Result<Cell> {
    let place = workspace.scratch("suite");
    fs::create_dir_all(&place)?;
    let (report, output) = (place.join("report"), place.join("output"));
    let launcher = Launcher { report, patience: PATIENCE };
    // Do not preload the library into the launcher.
    let mut process: Process = launcher.command("env")?;
    process.args(library.map(|library| format!("LD_PRELOAD={library}")));
    process.arg(args.programs.canonicalize_utf8()?.join(command.program));
    process.args(command.arguments(threads, args.inputs.canonicalize_utf8()?.as_str()));
    process.current_dir(&place).stdout(File::create(&output)?).stderr(Stdio::null());
    match command.input {
        Some(input) => process.stdin(File::open(args.inputs.join(input))?),
        None => process.stdin(Stdio::null()),
    };
    let measured = launcher.run(&mut process)?.measured;
    ensure!(measured.status == 0, "it failed, with status {:#x}", measured.status);
    let output = String::from_utf8_lossy(&fs::read(&output)?).into_owned();
    Ok((command.figure.of(measured.time.as_secs_f64(), &output)?, measured.peak))
}
