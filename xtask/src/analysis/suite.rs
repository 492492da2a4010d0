//! The tests that the tools run.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{Message, Package, TargetKind};

use crate::cmd::Cmd;
use crate::workspace::Workspace;

/// The package of the oracle, which tests the core.
pub const FUZZ: &str = "talloc-fuzz";

/// How many scripts the oracle tries for each setup.
pub const SCRIPTS: &str = "TALLOC_FUZZ_SCRIPTS";

/// The tests that run the examples as programs of their own, which a tool does not look into.
pub const EXAMPLES: &str = "examples";

/// The libraries, and the oracle with them.
pub fn packages(workspace: &Workspace) -> Result<Vec<&Package>> {
    let mut packages = workspace.libraries()?;
    let members = workspace.members();
    let fuzz = members.into_iter().find(|member| member.name == FUZZ);
    packages.push(fuzz.with_context(|| format!("`{FUZZ}` is not a member of the workspace"))?);
    Ok(packages)
}

/// The files of a package's `tests` folder.
fn files(package: &Package) -> impl Iterator<Item = &str> {
    let tests = package.targets.iter().filter(|target| target.kind.contains(&TargetKind::Test));
    tests.map(|target| target.name.as_str())
}

/// Those that hold models, which are nothing without loom.
pub fn models(package: &Package) -> impl Iterator<Item = &str> {
    files(package).filter(|name| is_models(name))
}

fn is_models(file: &str) -> bool {
    file.starts_with("loom")
}

/// Arguments that select `packages`, their unit tests and the tests in their `tests` folders, except models and the files
/// `excluded`.
///
/// # Errors
///
/// As [`select_files`].
pub fn select(packages: &[&Package], excluded: &[&str]) -> Result<Vec<String>> {
    Ok([select_units(packages), select_files(packages, excluded)?].concat())
}

/// Arguments that select the unit tests of `packages`.
pub fn select_units(packages: &[&Package]) -> Vec<String> {
    select_packages(packages).chain(["--lib".to_owned()]).collect()
}

/// Arguments that select the tests in the `tests` folders of `packages`, except models and the files `excluded`.
///
/// # Errors
///
/// If there is no such file: what is left out would not be what was meant.
pub fn select_files(packages: &[&Package], excluded: &[&str]) -> Result<Vec<String>> {
    // Several packages have tests of the same name, and one argument selects all of them.
    let files: BTreeSet<&str> = packages.iter().flat_map(|package| files(package)).collect();
    for name in excluded {
        ensure!(files.contains(name), "none of these packages has tests in `{name}.rs`");
    }
    let kept = files.iter().filter(|name| !is_models(name) && !excluded.contains(name));
    let tests = kept.flat_map(|name| ["--test".to_owned(), (*name).to_owned()]);
    Ok(select_packages(packages).chain(tests).collect())
}

fn select_packages(packages: &[&Package]) -> impl Iterator<Item = String> {
    packages.iter().flat_map(|package| ["-p".to_owned(), package.name.to_string()])
}

/// A program that cargo has built.
pub struct Program {
    pub name: String,
    pub path: PathBuf,
}

/// Runs a build with `--message-format json`, and returns the tests and examples it made.
///
/// # Errors
///
/// If it fails, or makes none.
pub fn programs(build: Cmd<'_>) -> Result<Vec<Program>> {
    let build = build.args(["--message-format", "json-render-diagnostics"]);
    eprintln!("$ {build}");
    let mut programs = Vec::new();
    for message in Message::parse_stream(Cursor::new(build.read()?)) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        // Cargo also builds the packages' other programs, which tests may run.
        let wanted = artifact.profile.test || artifact.target.kind.contains(&TargetKind::Example);
        if let Some(path) = artifact.executable.filter(|_| wanted) {
            let package = artifact.manifest_path.parent().and_then(|folder| folder.file_name());
            let name = format!("{} of {}", artifact.target.name, package.unwrap_or_default());
            programs.push(Program { name, path: path.into() });
        }
    }
    ensure!(!programs.is_empty(), "`{build}` made no program");
    Ok(programs)
}
