//! `fuzz`: builds and runs the libFuzzer targets, one after another.

mod build;
mod campaign;
mod corpus;

use anyhow::{Result, ensure};
use cargo_metadata::camino::Utf8PathBuf;
use clap::builder::PossibleValuesParser;
use comfy_table::Table;
use comfy_table::presets::ASCII_FULL_CONDENSED;

use crate::workspace::Workspace;
use build::Build;
use campaign::{Campaign, Summary};

/// The targets, which are binaries of the package `talloc-fuzz`.
const TARGETS: [&str; 7] = ["heap", "arenas", "realloc", "sources", "sync", "shards", "trace"];

#[derive(clap::Args)]
pub struct Args {
    /// The targets to run; all of them if none is named.
    #[arg(value_name = "TARGET", value_parser = PossibleValuesParser::new(TARGETS))]
    targets: Vec<String>,
    /// How long each target runs, in seconds; 0 to run none, and only keep the corpus.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many processes run each target.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Minimise the found inputs into fuzz/corpus, to be committed.
    #[arg(long)]
    keep: bool,
    /// Run without AddressSanitizer, which is faster.
    #[arg(long)]
    no_sanitizer: bool,
}

/// The folders of one target.
struct Folders {
    /// The corpus that is committed.
    kept: Utf8PathBuf,
    /// The corpus that grows from run to run.
    working: Utf8PathBuf,
    /// Inputs that failed.
    artifacts: Utf8PathBuf,
    /// For logs and files of no use afterwards.
    scratch: Utf8PathBuf,
}

impl Folders {
    /// The folders of a target, all of which there are.
    fn make(workspace: &Workspace, target: &str) -> Result<Self> {
        let (package, scratch) = (workspace.root().join("fuzz"), workspace.scratch("fuzz"));
        let folders = Self {
            kept: package.join("corpus").join(target),
            working: scratch.join("corpus").join(target),
            artifacts: package.join("artifacts").join(target),
            scratch: scratch.join("runs").join(target),
        };
        for folder in [&folders.kept, &folders.working, &folders.artifacts, &folders.scratch] {
            workspace.shell().create_dir(folder)?;
        }
        Ok(folders)
    }
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let all = TARGETS.map(String::from).to_vec();
    let targets = if args.targets.is_empty() { &all } else { &args.targets };
    let build = Build::find(workspace, args.no_sanitizer)?;
    println!("{build}");

    let mut summaries = Vec::new();
    for target in targets {
        let binary = build.run(workspace, target)?;
        let folders = Folders::make(workspace, target)?;
        if args.seconds > 0 {
            let campaign = Campaign { binary: &binary, target, folders: &folders };
            summaries.push(campaign.run(args.seconds, args.jobs)?);
        }
        if args.keep {
            corpus::keep(workspace, &binary, &folders)?;
        }
    }
    if !summaries.is_empty() {
        println!("\n{}", table(&summaries));
    }
    let crashes = summaries.iter().filter(|summary| summary.crashed()).count();
    ensure!(crashes == 0, "{crashes} of {} targets failed; see above", summaries.len());
    Ok(())
}

fn table(summaries: &[Summary]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_FULL_CONDENSED);
    table.set_header(["target", "executions", "per second", "edges", "features", "corpus", ""]);
    for summary in summaries {
        table.add_row(summary.cells());
    }
    table
}
