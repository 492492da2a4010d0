//! The steps that build each library alone, with every set of its features.

use anyhow::{Result, ensure};
use cargo_metadata::Package;

use super::lint;
use crate::cmd::Cmd;
use crate::features::{self, Set};
use crate::workspace::Workspace;

/// Sets of features that any compiler can build.
pub fn stable(workspace: &Workspace) -> Result<()> {
    let others = [workspace.interface()?, workspace.tool()?];
    for library in [workspace.libraries()?, workspace.observers()?, others.into()].concat() {
        let chosen = features::without(&library.features, &[features::NIGHTLY]);
        for set in features::combinations(&library.features, &chosen) {
            check(workspace, workspace.cargo(["clippy"]), library, &set)?;
        }
    }
    Ok(())
}

/// Tests that differ with the standard library's `Allocator`; the step `test` runs the others.
const ALLOCATOR_TESTS: [(&str, &str); 1] = [("talloc-sync", "conformance")];

/// Sets of features that need an unstable compiler, or a stable one made to accept unstable code;
/// then what differs with all features at once is tested.
pub fn nightly(workspace: &Workspace) -> Result<()> {
    let mut checked = 0;
    for library in workspace.libraries()? {
        let all = features::without(&library.features, &[]);
        let sets = features::combinations(&library.features, &all);
        for set in sets.iter().filter(|set| set.contains(features::NIGHTLY)) {
            check(workspace, unstable(workspace, "clippy"), library, set)?;
            checked += 1;
        }
    }
    ensure!(checked > 0, "no library has the feature `{}`: nothing to check", features::NIGHTLY);
    for (package, test) in ALLOCATOR_TESTS {
        unstable(workspace, "test")
            .args(["--all-features", "-p", package, "--test", test])
            .run_tests()?;
    }
    Ok(())
}

/// A command of cargo by which the compiler accepts unstable code.
///
/// It has a folder of its own: build scripts find out what the compiler accepts, and cargo keeps what they found for
/// every later build in the same folder.
fn unstable<'a>(workspace: &'a Workspace, command: &'a str) -> Cmd<'a> {
    workspace
        .cargo([command, "--target-dir", workspace.scratch("nightly").as_str()])
        .env("RUSTC_BOOTSTRAP", "1")
}

fn check(workspace: &Workspace, clippy: Cmd<'_>, library: &Package, set: &Set) -> Result<()> {
    let clippy = clippy
        .args(["-p", &library.name, "--no-default-features"])
        .args(features::as_argument(set));
    lint::complete(workspace, clippy)?.run()
}
