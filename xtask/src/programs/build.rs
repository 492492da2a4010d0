//! Programs with an allocator, built.

use std::fs;

use anyhow::{Result, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use super::allocator::{self, Allocator};
use super::table::Kind;
use crate::analysis::suite;
use crate::workspace::Workspace;

/// Builds a program with an allocator. Returns its executables: always the same, in the same order.
///
/// # Errors
///
/// If it cannot be built, or has another allocator.
pub fn build(
    workspace: &Workspace,
    source: &Utf8Path,
    kind: &Kind,
    allocator: &Allocator,
    place: &Utf8Path,
) -> Result<Vec<Utf8PathBuf>> {
    let target = workspace.scratch("programs").join("target");
    let chosen = format!("{}/{}", allocator::PACKAGE, allocator.feature);
    let (what, mut features) = match kind {
        Kind::Tests(tests) => {
            let mut what = vec!["test", "--no-run", "--lib"];
            what.extend(tests.files.iter().flat_map(|file| ["--test", file]));
            what.extend(tests.files.is_empty().then_some("--tests"));
            (what, tests.features.to_vec())
        }
        Kind::Searches { executable, .. } => (vec!["build", "--bin", executable], vec![]),
    };
    features.push(&chosen);
    let manifest = source.join("Cargo.toml");
    let cargo = workspace
        .cargo(what)
        .args(["--release", "--manifest-path", manifest.as_str()])
        .args(["--features", &features.join(","), "--target-dir", target.as_str()]);
    let mut made = match kind {
        Kind::Tests(_) => suite::programs(cargo)?,
        Kind::Searches { executable, .. } => {
            cargo.run()?;
            let path = target.join("release").join(executable).into();
            vec![suite::Program { name: (*executable).to_owned(), path }]
        }
    };
    made.sort_by(|one, other| one.name.cmp(&other.name));
    let folder = place.join(allocator.feature);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut executables = Vec::new();
    for program in made {
        let copy = folder.join(program.name.split(' ').next().unwrap_or_default());
        ensure!(!copy.exists(), "two executables are called {copy}");
        fs::copy(&program.path, &copy)?;
        allocator.expect_in(&copy)?;
        executables.push(copy);
    }
    Ok(executables)
}
