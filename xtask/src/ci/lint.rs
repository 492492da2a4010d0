//! Clippy, which refuses every warning.

use anyhow::Result;

use crate::cmd::Cmd;
use crate::workspace::Workspace;

/// Completes a command of clippy.
///
/// Warnings are refused by its arguments, not by `RUSTFLAGS`, with which all that the packages use would be built once
/// more. Nothing is linked, so that jemalloc need not be compiled: a library that is there already takes its place.
pub fn complete<'a>(workspace: &Workspace, clippy: Cmd<'a>) -> Result<Cmd<'a>> {
    let jemalloc = workspace.scratch("lint").join("libjemalloc.so");
    workspace.shell().write_file(&jemalloc, "")?;
    Ok(clippy.env("JEMALLOC_OVERRIDE", jemalloc.as_str()).args(["--", "-D", "warnings"]))
}
