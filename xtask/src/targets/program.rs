//! A program for a machine without an operating system.

use anyhow::Result;
use cargo_metadata::camino::Utf8PathBuf;

use super::compiler::Compiler;
use super::linker;
use crate::workspace::Workspace;

/// Builds the program of that package. Returns where it is.
///
/// # Errors
///
/// If there is no compiler or no linker, which says how to get one, or if it cannot be built.
pub fn build(
    workspace: &Workspace,
    triple: &str,
    package: &str,
    features: &[&str],
) -> Result<Utf8PathBuf> {
    let compiler = Compiler::find(workspace, triple, "core,alloc")?;
    compiler
        .cargo(workspace, "build", triple)
        .args(["--release", "-p", package])
        .args(features.iter().flat_map(|feature| ["--features", feature]))
        .args(linker::arguments(&compiler, triple)?)
        .run()?;
    let folder = workspace.scratch("targets").join(triple).join("release");
    let wasm = triple.starts_with("wasm");
    Ok(folder.join(if wasm { format!("{package}.wasm") } else { package.to_owned() }))
}
