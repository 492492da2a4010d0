//! A compiler for a target: one that has the target's standard library, or can build it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::table::INSTALL;
use crate::cmd::Cmd;
use crate::workspace::Workspace;

/// Names the compiler.
const RUSTC: &str = "TALLOC_TARGETS_RUSTC";
/// Names the cargo.
const CARGO: &str = "TALLOC_TARGETS_CARGO";

pub struct Compiler {
    rustc: PathBuf,
    cargo: PathBuf,
    /// The part of the standard library that must be built first, if any.
    builds: Option<&'static str>,
    sysroot: PathBuf,
}

impl Compiler {
    /// Finds the first compiler that has the target's `library`, or otherwise the first that can build it.
    ///
    /// # Errors
    ///
    /// If there is no such compiler; the error says how to get one.
    pub fn find(workspace: &Workspace, triple: &str, library: &'static str) -> Result<Self> {
        let mut builder = None;
        for rustc in candidates()? {
            // Skip programs that do not run, such as a shim without a toolchain.
            let print = |what: &str| {
                let rustc = Cmd::new(workspace.shell(), &rustc);
                let said = rustc.args(["--print", what, "--target", triple]).quietly().read();
                said.map(PathBuf::from)
            };
            let (Ok(folder), Ok(sysroot)) = (print("target-libdir"), print("sysroot")) else {
                continue;
            };
            let has_source = sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file();
            let cargo = cargo_of(&rustc)?;
            if has_core(&folder) {
                return Ok(Self { rustc, cargo, builds: None, sysroot });
            }
            if has_source && builder.is_none() {
                builder = Some(Self { rustc, cargo, builds: Some(library), sysroot });
            }
        }
        builder.with_context(|| how_to_get(triple))
    }

    /// `cargo command`, for the target.
    pub fn cargo<'a>(&self, workspace: &'a Workspace, command: &str, triple: &str) -> Cmd<'a> {
        let folder = workspace.scratch("targets");
        let cargo = Cmd::new(workspace.shell(), &self.cargo)
            .args([command, "--target", triple, "--target-dir", folder.as_str()])
            .env("RUSTC", &self.rustc);
        match self.builds {
            None => cargo,
            // Building the standard library is not stable.
            Some(library) => {
                cargo.args([format!("-Zbuild-std={library}")]).env("RUSTC_BOOTSTRAP", "1")
            }
        }
    }

    /// Whether the compiler brings a linker for machines without a system.
    pub fn has_linker(&self) -> bool {
        let hosts = fs::read_dir(self.sysroot.join("lib/rustlib")).into_iter().flatten().flatten();
        hosts.into_iter().any(|host| host.path().join("bin/rust-lld").is_file())
    }
}

/// The candidates for a compiler.
fn candidates() -> Result<Vec<PathBuf>> {
    if let Some(rustc) = env::var_os(RUSTC) {
        return Ok(vec![std::path::absolute(rustc).context("it names no path")?]);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let all = env::split_paths(&path).map(|folder| folder.join("rustc"));
    Ok(all.filter(|rustc| rustc.is_file()).collect())
}

/// The cargo to go with a compiler: the one beside it, if there is one.
fn cargo_of(rustc: &Path) -> Result<PathBuf> {
    if let Some(cargo) = env::var_os(CARGO) {
        return std::path::absolute(cargo).context("it names no path");
    }
    let beside = rustc.with_file_name("cargo");
    Ok(if beside.is_file() { beside } else { PathBuf::from("cargo") })
}

fn has_core(folder: &Path) -> bool {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
}

fn how_to_get(triple: &str) -> String {
    format!(
        "\
there is no compiler here for {triple}. Ways to get one:
- with rustup:  rustup target add {triple}
  where rustup has that, or else:  rustup component add rust-src
- on Debian 12:  {INSTALL} rustc-web cargo-web rust-web-src
- or name one that has the target or the standard library's sources: {RUSTC}=PATH"
    )
}

/// Checks that the variables name files.
///
/// # Errors
///
/// If one does not.
pub fn check_variables() -> Result<()> {
    for variable in [RUSTC, CARGO] {
        if let Some(path) = env::var_os(variable) {
            if !Path::new(&path).is_file() {
                bail!("{variable} is {path:?}, which is no file");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_no_compiler_knows_is_an_error_that_says_what_to_do() {
        let workspace = Workspace::load().unwrap();
        let error = Compiler::find(&workspace, "no-such-target", "core").err().unwrap();
        assert!(error.to_string().contains("rustup target add no-such-target"), "{error}");
    }
}
