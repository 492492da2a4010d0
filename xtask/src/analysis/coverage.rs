//! `coverage`: the coverage of the libraries by their tests and the oracle's.

mod counts;
mod llvm;
mod table;

use std::fs;

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use super::compiler::{Compiler, rustflags};
use super::suite::{self, Program};
use crate::workspace::Workspace;
use counts::Counts;
use llvm::Llvm;

#[derive(clap::Args)]
pub struct Args {
    /// Also list the lines that no test runs.
    #[arg(long)]
    lines: bool,
    /// Also write pages that show it line by line.
    #[arg(long)]
    html: bool,
    /// Scripts that the oracle tries for each setup.
    #[arg(long, default_value_t = 3)]
    scripts: u32,
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let compiler = Compiler::present(workspace)?;
    let llvm = Llvm::find(&compiler)?;
    let scratch = workspace.scratch("coverage");
    let profiles = scratch.join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles)?;
    }

    let programs = test(workspace, &compiler, &profiles, args.scripts)?;
    let profile = llvm.merge(workspace, &profiles, &scratch.join("merged.profdata"))?;
    let counts = Counts::read(
        &llvm.export(workspace, &profile, &programs, "text")?,
        &llvm.export(workspace, &profile, &programs, "lcov")?,
        &workspace.root().join("crates"),
    )?;
    println!("{}", table::table(&counts));
    if args.lines {
        print!("{}", table::missed_lines(&counts));
    }
    if args.html {
        let pages = scratch.join("html");
        llvm.pages(workspace, &profile, &programs, &pages)?;
        println!("{pages}/index.html");
    }
    Ok(())
}

/// Runs the tests, each of which leaves its profile; returns their programs.
fn test(
    workspace: &Workspace,
    compiler: &Compiler,
    profiles: &Utf8Path,
    scripts: u32,
) -> Result<Vec<Program>> {
    let packages = suite::packages(workspace)?;
    let selected = suite::select(&packages, &[suite::EXAMPLES])?;
    let features = workspace.stable_features()?;
    let target: Utf8PathBuf = workspace.scratch("coverage").join("target");
    let cargo = || {
        compiler
            .cargo(workspace)
            .args(["test", "--target", &compiler.host, "--target-dir", target.as_str()])
            .args(rustflags(&compiler.host, &FLAGS))
            .args(&selected)
            .args(&features)
    };
    let programs = suite::programs(cargo().args(["--no-run"]))?;
    cargo()
        .env("LLVM_PROFILE_FILE", profiles.join("%p-%m.profraw").as_str())
        .env(suite::SCRIPTS, scripts.to_string())
        .run()?;
    let written = fs::read_dir(profiles).context("the tests left no profiles")?.count();
    ensure!(written >= programs.len(), "{written} profiles of {} tests", programs.len());
    Ok(programs)
}

/// Tests count what they run, branches included; what is inlined counts as what it is.
const FLAGS: [&str; 2] = ["-Cinstrument-coverage", "-Zcoverage-options=branch"];
