//! Targets on which the libraries must not compile.

use anyhow::{Result, ensure};

use super::compiler::Compiler;
use crate::workspace::Workspace;

/// Checks that the compiler refuses `talloc-global` with the expected message.
pub fn run(workspace: &Workspace, triple: &str, message: &str) -> Result<String> {
    let compiler = Compiler::find(workspace, triple, "core")?;
    let said = compiler
        .cargo(workspace, "check", triple)
        .args(["-p", "talloc-global", "--no-default-features"])
        .run_failing()?;
    ensure!(said.contains(message), "the compiler does not say \"{message}\", but:\n{said}");
    Ok("refused by a message".to_owned())
}
