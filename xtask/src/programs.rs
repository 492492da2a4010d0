//! `programs`: real Rust programs with talloc as the global allocator.
//!
//! Each program is fetched from the registry, copied, and built with three allocators: the system's, talloc, and mimalloc.
//! All three must print the same. Their time and memory are compared.

mod allocator;
mod build;
mod output;
mod source;
mod table;
mod trial;

use anyhow::{Context, Result, ensure};
use clap::builder::PossibleValuesParser;

use crate::tables;
use crate::workspace::Workspace;
use allocator::{ALLOCATORS, COUNT};
use source::Fetched;
use table::{Kind, PROGRAMS, Program};
use trial::{Trial, Tried};

#[derive(clap::Args)]
pub struct Args {
    /// Only these.
    #[arg(value_parser = PossibleValuesParser::new(PROGRAMS.map(|program| program.name)))]
    programs: Vec<String>,
    /// List the programs instead of running them.
    #[arg(long)]
    list: bool,
    /// How often each is run with each allocator.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if args.list {
        for Program { name, package, version, about, .. } in &PROGRAMS {
            println!("{name:17}{package} {version}: {about}");
        }
        return Ok(());
    }
    ensure!(cfg!(target_os = "linux"), "programs are measured on Linux only");
    let asked_for =
        |it: &&Program| args.programs.is_empty() || args.programs.iter().any(|p| p == it.name);
    let mut table = tables::with_heading([
        "program", "the same", "seconds", "talloc", "mimalloc", "peak KiB", "talloc", "mimalloc",
    ]);
    let mut failed = Vec::new();
    for program in PROGRAMS.iter().filter(asked_for) {
        eprintln!("\n== {}: {}", program.name, program.about);
        match try_out(workspace, program, args.rounds) {
            Ok(tried) => drop(table.add_row(row(program, &tried))),
            Err(error) => {
                eprintln!("{error:#}");
                table.add_row([program.name, "FAILED"]);
                failed.push(program.name);
            }
        }
    }
    tables::align_numbers(&mut table, 1);
    println!("\nTime and memory with the system's allocator, and of others by that:\n\n{table}");
    ensure!(failed.is_empty(), "failed, or not the same: {}", failed.join(", "));
    Ok(())
}

/// Builds a program with each allocator, runs it, and compares.
fn try_out(workspace: &Workspace, program: &Program, rounds: u32) -> Result<Tried> {
    let place = workspace.scratch("programs");
    let allocator = allocator::write(workspace, &place)?;
    let source = place.join("sources").join(program.package);
    let fetched = Fetched::new(workspace, program, &source)?;
    let patched = fetched.patch(&program.kind, &allocator, &source)?;
    let place = place.join("runs").join(program.name);
    let mut executables = [const { Vec::new() }; COUNT];
    for (allocator, executables) in ALLOCATORS.iter().zip(&mut executables) {
        let built = build::build(workspace, &patched, &program.kind, allocator, &place);
        *executables = built.with_context(|| format!("with {}", allocator.feature))?;
    }
    let names = |of: usize| executables[of].iter().map(|it| it.file_name()).collect::<Vec<_>>();
    for (number, allocator) in ALLOCATORS.iter().enumerate() {
        let is_same = names(number) == names(0);
        ensure!(is_same, "there are other executables with {}", allocator.feature);
    }
    let is_suite = matches!(program.kind, Kind::Tests(_));
    let searched = if is_suite { Vec::new() } else { source::needed(&patched.join("Cargo.toml"))? };
    let (kind, folder) = (&program.kind, patched.as_path());
    let tried =
        Trial { kind, executables, folder, searched: &searched, place: &place }.run(rounds)?;
    ensure!(!is_suite || tried.tests > 0, "no tests have run");
    Ok(tried)
}

fn row(program: &Program, tried: &Tried) -> [String; 8] {
    let [seconds, ours, mimalloc] = tried.seconds;
    let ratio = |other: f64, first: f64| format!("{:.3}", other / first);
    let [peak, our_peak, peak_of_mimalloc] = tried.peaks;
    // The reported size of a process is at least that of its parent.
    let least = tried.least as f64;
    let ratio_of_peaks = |other: f64| {
        if other.min(peak) > least { ratio(other, peak) } else { "small".to_owned() }
    };
    let same = match program.kind {
        Kind::Tests(_) => format!("{} tests", tried.tests),
        Kind::Searches { .. } => format!("{} bytes", tried.bytes),
    };
    [
        program.name.to_owned(),
        same,
        format!("{seconds:.3}"),
        ratio(ours, seconds),
        ratio(mimalloc, seconds),
        format!("{peak:.0}"),
        ratio_of_peaks(our_peak),
        ratio_of_peaks(peak_of_mimalloc),
    ]
}
