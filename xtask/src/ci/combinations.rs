//! The steps that build each library alone, with every set of its features.

use anyhow::{Result, ensure};
use cargo_metadata::Package;

use crate::features::{self, Set};
use crate::workspace::Workspace;

/// Sets of features that any compiler can build.
pub fn stable(workspace: &Workspace) -> Result<()> {
    let others = [workspace.interface()?, workspace.tool()?];
    for library in [workspace.libraries()?, workspace.observers()?, others.into()].concat() {
        let chosen = features::without(&library.features, &[features::NIGHTLY]);
        for set in features::combinations(&library.features, &chosen) {
            check(workspace, library, &set, false)?;
        }
    }
    Ok(())
}

/// Tests that differ with the standard library's `Allocator`; the step `test` runs the others.
const ALLOCATOR_TESTS: [(&str, &str); 1] = [("talloc-sync", "conformance")];

/// Sets of features that need an unstable compiler, or a stable one made to accept unstable code;
/// then all features at once are linted, and what differs with them is tested.
pub fn nightly(workspace: &Workspace) -> Result<()> {
    let mut checked = 0;
    for library in workspace.libraries()? {
        let all = features::without(&library.features, &[]);
        let sets = features::combinations(&library.features, &all);
        for set in sets.iter().filter(|set| set.contains(features::NIGHTLY)) {
            check(workspace, library, set, true)?;
            checked += 1;
        }
    }
    ensure!(checked > 0, "no library has the feature `{}`: nothing to check", features::NIGHTLY);
    let all_features = |command: &'static str| {
        workspace.cargo([command, "--all-features"]).env("RUSTC_BOOTSTRAP", "1")
    };
    all_features("clippy")
        .args(workspace.select_libraries())
        .args(["--", "-D", "warnings"])
        .run()?;
    for (package, test) in ALLOCATOR_TESTS {
        all_features("test").args(["-p", package, "--test", test]).run()?;
    }
    Ok(())
}

fn check(workspace: &Workspace, library: &Package, set: &Set, unstable: bool) -> Result<()> {
    let mut cargo = workspace
        .cargo(["check", "-p", &library.name, "--no-default-features"])
        .args(features::as_argument(set))
        .env("RUSTFLAGS", "-D warnings");
    if unstable {
        cargo = cargo.env("RUSTC_BOOTSTRAP", "1");
    }
    cargo.run()
}
