//! The program that only allocates.

use anyhow::Result;
use cargo_metadata::camino::Utf8PathBuf;

use crate::targets::compiler::Compiler;
use crate::targets::linker;
use crate::workspace::Workspace;

pub const PACKAGE: &str = "talloc-sizes";

/// The recipe for building the program for a target.
pub struct Recipe<'a> {
    workspace: &'a Workspace,
    compiler: Compiler,
    linker: Vec<String>,
    triple: &'static str,
}

impl<'a> Recipe<'a> {
    /// # Errors
    ///
    /// If there is no compiler or no linker; the error says how to get one.
    pub fn new(workspace: &'a Workspace, triple: &'static str) -> Result<Self> {
        let compiler = Compiler::find(workspace, triple, "core,alloc")?;
        let linker = linker::arguments(&compiler, triple)?;
        Ok(Self { workspace, compiler, linker, triple })
    }

    /// Builds the program with these features. Returns its path, which is valid until the next build.
    ///
    /// # Errors
    ///
    /// If it cannot be built.
    pub fn build(&self, profile: &str, features: &[&str]) -> Result<Utf8PathBuf> {
        self.compiler
            .cargo(self.workspace, "build", self.triple)
            .args(["-p", PACKAGE, "--profile", profile, "--features", &features.join(",")])
            .args(&self.linker)
            .run()?;
        let folder = self.workspace.scratch("targets").join(self.triple).join(profile);
        let suffix = if self.triple.starts_with("wasm") { ".wasm" } else { "" };
        Ok(folder.join(format!("{PACKAGE}{suffix}")))
    }
}
