//! A program for a machine without an operating system.

use anyhow::Result;
use cargo_metadata::camino::Utf8PathBuf;

use super::compiler::Compiler;
use super::linker;
use crate::workspace::Workspace;

/// Options that compile the standard library and the other dependencies in parallel pieces, for programs that are not
/// measured. Link-time optimisation still optimises the pieces together.
pub const IN_PIECES: [&str; 2] = ["--config", "profile.release.package.\"*\".codegen-units=16"];

/// Builds the program of a package for a test. Returns its path.
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
    let features = features.iter().flat_map(|feature| ["--features", feature]);
    build_with(workspace, triple, package, IN_PIECES.into_iter().chain(features))
}

/// Builds the program of a package as users do, to measure it. Returns its path.
///
/// # Errors
///
/// As [`build`].
pub fn build_measured(workspace: &Workspace, triple: &str, package: &str) -> Result<Utf8PathBuf> {
    build_with(workspace, triple, package, [])
}

fn build_with<'a>(
    workspace: &Workspace,
    triple: &str,
    package: &str,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<Utf8PathBuf> {
    let compiler = Compiler::find(workspace, triple, "core,alloc")?;
    compiler
        .cargo(workspace, "build", triple)
        .args(["--release", "-p", package])
        .args(arguments)
        .args(linker::arguments(&compiler, triple)?)
        .run()?;
    let folder = workspace.scratch("targets").join(triple).join("release");
    let wasm = triple.starts_with("wasm");
    Ok(folder.join(if wasm { format!("{package}.wasm") } else { package.to_owned() }))
}
