//! The programs that read profiles.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use crate::analysis::compiler::Compiler;
use crate::analysis::suite::Program;
use crate::tools;
use crate::workspace::Workspace;

/// `llvm-profdata` and `llvm-cov`, as new as the compiler's LLVM: older ones do not know its
/// profiles.
pub struct Llvm {
    profdata: PathBuf,
    cov: PathBuf,
}

impl Llvm {
    pub fn find(compiler: &Compiler) -> Result<Self> {
        let find = |tool: &str| {
            // Rustup's component lies with the compiler.
            let component = compiler.sysroot.join("lib/rustlib").join(&compiler.host).join("bin");
            let component = component.join(format!("{tool}{}", std::env::consts::EXE_SUFFIX));
            if component.is_file() {
                return Ok(component);
            }
            let versioned = format!("{tool}-{}", compiler.llvm);
            match tools::require(&versioned, "") {
                Ok(path) => Ok(path),
                Err(_) => bail!(
                    "there is no `{tool}` of LLVM {0} here; to get it: rustup component add \
                     llvm-tools, or, on Debian, apt-get install llvm-{0}",
                    compiler.llvm
                ),
            }
        };
        Ok(Self { profdata: find("llvm-profdata")?, cov: find("llvm-cov")? })
    }

    /// Merges all profiles of a folder into the file `merged`.
    pub fn merge(
        &self,
        workspace: &Workspace,
        profiles: &Utf8Path,
        merged: &Utf8Path,
    ) -> Result<Utf8PathBuf> {
        let mut files = Vec::new();
        for entry in fs::read_dir(profiles)? {
            files.push(entry?.path());
        }
        workspace
            .program(&self.profdata)
            .args(["merge", "--sparse", "--output", merged.as_str()])
            .args(&files)
            .read()
            .context("merging the profiles")?;
        Ok(merged.to_owned())
    }

    /// What the programs ran, in one of `llvm-cov export`'s formats.
    pub fn export(
        &self,
        workspace: &Workspace,
        profile: &Utf8Path,
        programs: &[Program],
        format: &str,
    ) -> Result<String> {
        self.cov(workspace, "export", profile, programs).args(["--format", format]).read()
    }

    /// Writes pages that show it.
    pub fn pages(
        &self,
        workspace: &Workspace,
        profile: &Utf8Path,
        programs: &[Program],
        folder: &Utf8Path,
    ) -> Result<()> {
        self.cov(workspace, "show", profile, programs)
            .args(["--format=html", "--show-branches=count", "--show-instantiations=false"])
            .args(["--output-dir", folder.as_str()])
            .read()?;
        Ok(())
    }

    fn cov<'a>(
        &self,
        workspace: &'a Workspace,
        command: &str,
        profile: &Utf8Path,
        programs: &[Program],
    ) -> crate::cmd::Cmd<'a> {
        let mut cmd =
            workspace.program(&self.cov).args([command, "--instr-profile", profile.as_str()]);
        for program in programs {
            cmd = cmd.args(["--object".as_ref(), program.path.as_os_str()]);
        }
        cmd.args(["--sources", workspace.root().join("crates").as_str()])
    }
}
