//! `loom`: the locks and the magazines under a model checker, which tries all orders of their steps.

use std::fs;

use anyhow::{Context, Result, ensure};
use cargo_metadata::MetadataCommand;
use cargo_metadata::camino::Utf8PathBuf;

use super::suite;
use crate::workspace::Workspace;

#[derive(clap::Args)]
#[command(after_help = "\
LOOM_MAX_PREEMPTIONS bounds how often a thread is interrupted (default: 3).")]
pub struct Args {
    /// Only the models whose name contains this.
    filter: Option<String>,
}

/// Checks all models.
pub fn check(workspace: &Workspace) -> Result<()> {
    run(workspace, &Args { filter: None })
}

/// Names the file that talloc-global's models include.
const FUTEX: &str = "TALLOC_LOOM_FUTEX_MUTEX";

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let futex = futex_mutex(workspace)?;
    let preemptions = std::env::var("LOOM_MAX_PREEMPTIONS").unwrap_or_else(|_| "3".to_owned());
    for (library, models) in models(workspace)? {
        workspace
            .cargo(["test", "--release", "-p", library, "--test", models])
            .args(["--target-dir", workspace.scratch("loom").as_str()])
            // With LTO, which the programs have, the models would take minutes to link.
            .args(["--config", "profile.release.lto=false"])
            .args(["--config", "profile.release.codegen-units=16"])
            .args(["--config", "profile.release.debug-assertions=true"])
            .args(["--"])
            .args(&args.filter)
            .env("RUSTFLAGS", "--cfg loom")
            .env("LOOM_MAX_PREEMPTIONS", &preemptions)
            .env(FUTEX, futex.as_str())
            .run_tests()?;
    }
    Ok(())
}

/// The libraries that have models, with the files that hold them.
fn models(workspace: &Workspace) -> Result<Vec<(&str, &str)>> {
    let mut all = Vec::new();
    for library in workspace.libraries()? {
        all.extend(suite::models(library).map(|models| (library.name.as_str(), models)));
    }
    ensure!(!all.is_empty(), "no library has models");
    Ok(all)
}

/// The package whose mutex is the lock of ready-made heaps on Linux.
const PACKAGE: &str = "rustix-futex-sync";

/// What must be said otherwise in its source to be modelled, and how often it is there.
///
/// Its atomics and the calls of the system are replaced by those of the model. The model's atomics
/// cannot be made in constants, and a hundred looks at a lock would be as many steps to try.
const REPLACED: [(&str, &str, usize); 5] = [
    ("//!", "//", 3),
    ("use core::sync::atomic::{", "use super::atomic::{", 1),
    ("core::hint::", "super::hint::", 1),
    ("pub const fn new", "pub fn new", 1),
    ("let mut spin = 100;", "let mut spin = 1;", 1),
];

/// Writes the source of that mutex with the replacements, so that the models are of the very code
/// that programs have. Returns where.
fn futex_mutex(workspace: &Workspace) -> Result<Utf8PathBuf> {
    let metadata = MetadataCommand::new()
        .current_dir(workspace.root())
        .exec()
        .context("`cargo metadata` failed")?;
    let package = metadata.packages.iter().find(|package| package.name == PACKAGE);
    let package = package.with_context(|| format!("nothing depends on `{PACKAGE}`"))?;
    let original = package.manifest_path.with_file_name("src").join("futex_mutex.rs");
    let source = fs::read_to_string(&original)
        .with_context(|| format!("the mutex of {PACKAGE} {} is elsewhere", package.version))?;
    let path = workspace.scratch("loom").join("futex_mutex.rs");
    workspace.shell().write_file(&path, modelled(&source)?)?;
    eprintln!("{path}: {PACKAGE} {}", package.version);
    Ok(path)
}

/// The source with the replacements.
fn modelled(source: &str) -> Result<String> {
    let mut modelled = source.to_owned();
    for (old, new, times) in REPLACED {
        let found = modelled.matches(old).count();
        ensure!(
            found == times,
            "the mutex of {PACKAGE} has changed: `{old}` is there {found} times, not {times}"
        );
        modelled = modelled.replace(old, new);
    }
    Ok(modelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_magazines_and_heaps_of_threads_are_modelled() {
        let workspace = Workspace::load().unwrap();
        let models = models(&workspace).unwrap();
        for model in ["loom", "loom_magazines", "loom_threads"] {
            assert!(models.contains(&("talloc-sync", model)), "{models:?}");
        }
        assert!(models.contains(&("talloc-global", "loom")), "{models:?}");
    }

    #[test]
    fn a_source_that_is_another_one_is_refused() {
        let error = modelled("fn lock() {}").unwrap_err().to_string();
        assert!(error.contains("has changed"), "{error}");
    }

    #[test]
    fn the_source_that_programs_have_can_be_modelled() {
        futex_mutex(&Workspace::load().unwrap()).unwrap();
    }
}
