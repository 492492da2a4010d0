//! The steps that consist of one or two cargo commands.

use anyhow::Result;

use super::lint;
use crate::workspace::{BENCHES, INTERFACE, TOOL, Workspace};

pub fn fmt(workspace: &Workspace) -> Result<()> {
    workspace.cargo(["fmt", "--all", "--", "--check"]).run()
}

pub fn clippy(workspace: &Workspace) -> Result<()> {
    // Both what is compiled only with a feature and what is compiled only without.
    let all = [
        workspace.stable_features()?,
        workspace.interface_features()?,
        workspace.observer_features()?,
    ];
    let all = all.concat();
    for features in [Vec::new(), all] {
        let clippy = workspace.cargo(["clippy", "--workspace", "--all-targets"]).args(features);
        lint::complete(workspace, clippy)?.run()?;
    }
    Ok(())
}

pub fn docs(workspace: &Workspace) -> Result<()> {
    // What those read who work on the libraries, then what users read: that is what stays.
    for private in [Some("--document-private-items"), None] {
        workspace
            .cargo(["doc", "--no-deps", "-p", INTERFACE, "-p", TOOL])
            .args(workspace.select_libraries())
            .args(workspace.select_observers())
            .args(workspace.stable_features()?)
            .args(workspace.observer_features()?)
            .args(private)
            .env("RUSTDOCFLAGS", "-D warnings")
            .run()?;
    }
    Ok(())
}

pub fn test(workspace: &Workspace) -> Result<()> {
    workspace.cargo(["test"]).args(workspace.select_upper_libraries()?).run_tests()?;
    // With these, the functions are those of the test programs, too. By itself: a shared library
    // cannot have the names of what defmt prints.
    workspace.cargo(["test", "-p", INTERFACE]).args(workspace.interface_features()?).run_tests()?;
    // They include `hardened`, which finds more than `checked`.
    workspace
        .cargo(["test", "-p", INTERFACE, "--features", "checked", "--test", "*"])
        .run_tests()?;
    workspace.cargo(["test", "-p", BENCHES]).run_tests()?;
    workspace
        .cargo(["test", "-p", TOOL])
        .args(workspace.select_observers())
        .args(workspace.observer_features()?)
        .run_tests()
}

/// Where the size of the code is all, the heap is put together in another way.
pub fn small(workspace: &Workspace) -> Result<()> {
    let test = |arguments: &[&str]| {
        let cargo = workspace.cargo(["test", "--config", "profile.dev.opt-level=\"s\""]);
        cargo.args(arguments).run_tests()
    };
    test(&["-p", "talloc-core", "--features", "spin"])?;
    test(&["-p", "talloc-fuzz", "--test", "all"])
}
