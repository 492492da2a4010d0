//! `mutants`: mutates the core, and checks that the tests fail.

use anyhow::Result;

use super::suite;
use crate::tools;
use crate::workspace::Workspace;

#[derive(clap::Args)]
#[command(after_help = "\
Survivors that no test could notice are listed, with why, in `.cargo/mutants.toml`.")]
pub struct Args {
    /// Passed on to `cargo mutants`, for example `--file 'crates/talloc-core/src/bin/*'`, `--shard
    /// 1/8`, `--in-diff changes.diff` or `--list`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

const MUTATED: &str = "talloc-core";

/// In the workspace's manifest.
const PROFILE: &str = "mutants";

/// Seconds after which tests have failed that do not come to an end.
const TIMEOUT: &str = "120";

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    tools::require("cargo-mutants", "cargo install --locked cargo-mutants")?;
    let scratch = workspace.scratch("mutants");
    workspace.shell().create_dir(&scratch)?;
    workspace
        .cargo(["mutants", "--package", MUTATED, "--test-package"])
        .args([format!("{MUTATED},{}", suite::FUZZ)])
        .args(["--output", scratch.as_str(), "--timeout", TIMEOUT])
        .args(["--no-shuffle", "--cap-lints", "true", "--profile", PROFILE])
        // What a feature adds is mutated, too, and must be there to be tested.
        .args(["--features".to_owned(), format!("{MUTATED}/spin")])
        .args(&args.arguments)
        .args(["--", "--lib", "--tests"])
        .env(suite::SCRIPTS, "2")
        // So that `--jobs` can be among the arguments.
        .env("CARGO_MUTANTS_JOBS", "2")
        .run()
}
