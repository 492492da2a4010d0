//! The libraries for cores without compare-and-swap.

use anyhow::Result;

use super::compiler::Compiler;
use super::program;
use crate::features::{self, NIGHTLY};
use crate::workspace::Workspace;

/// The feature whose locks need it.
const SPIN: &str = "spin";

pub fn run(workspace: &Workspace, triple: &str) -> Result<String> {
    let mut enabled = Vec::new();
    for library in workspace.libraries()? {
        let chosen = features::without(&library.features, &[NIGHTLY, SPIN]);
        enabled.extend(chosen.into_iter().map(|feature| format!("{}/{feature}", library.name)));
    }
    Compiler::find(workspace, triple, "core")?
        .cargo(workspace, "build", triple)
        // The profile of the programs for the same machine, which have the standard library in common.
        .args(["--release"])
        .args(program::IN_PIECES)
        .args(workspace.select_libraries())
        .args(["--no-default-features"])
        .args(features::as_argument(&enabled))
        .run()?;
    Ok(format!("the libraries with {} features", enabled.len()))
}
