//! Building a target by cargo-fuzz.

use std::fmt;

use anyhow::{Context, Result};
use cargo_metadata::camino::Utf8PathBuf;

use crate::tools;
use crate::workspace::Workspace;

const CARGO: &[&str] = &["cargo"];
const NIGHTLY: &[&str] = &["rustup", "run", "nightly", "cargo"];

/// How targets are built.
pub struct Build {
    /// What runs cargo.
    cargo: &'static [&'static str],
    sanitizer: &'static str,
    /// What the sanitizer is due to, or its absence.
    reason: &'static str,
    /// The machine that this is.
    host: String,
}

impl Build {
    /// The best build that there are tools for: with AddressSanitizer if there is a nightly compiler.
    pub fn find(workspace: &Workspace, no_sanitizer: bool) -> Result<Self> {
        tools::require("cargo-fuzz", "cargo install --locked cargo-fuzz")?;
        tools::require("c++", "install a C++ compiler, such as the package g++")?;
        let version = workspace.cmd("rustc").args(["-vV"]).read()?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("`rustc -vV` names no host")?.to_owned();
        let (cargo, sanitizer, reason) = if no_sanitizer {
            (CARGO, "none", "by --no-sanitizer")
        } else if version.contains("-nightly") {
            (CARGO, "address", "the compiler is a nightly one")
        } else if has_nightly(workspace) {
            (NIGHTLY, "address", "rustup has a nightly compiler")
        } else {
            (CARGO, "none", "there is no nightly compiler: rustup toolchain install nightly")
        };
        Ok(Self { cargo, sanitizer, reason, host })
    }

    /// Builds a target; returns the program.
    pub fn run(&self, workspace: &Workspace, target: &str) -> Result<Utf8PathBuf> {
        let folder = workspace.scratch("fuzz").join("build");
        workspace
            .cmd(self.cargo[0])
            .args(&self.cargo[1..])
            .args(["fuzz", "build", "--features", "libfuzzer"])
            .args(["--sanitizer", self.sanitizer, "--target", &self.host])
            // Inputs are not parsed by comparing them with anything, and watching each comparison
            // of the heap's takes a third of the time.
            .args(["--no-trace-compares"])
            .args(["--target-dir", folder.as_str(), target])
            // What the sanitizer adds to each crate does not survive being linked with others.
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .run()?;
        Ok(folder.join(&self.host).join("release").join(target))
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sanitizer: {} ({})", self.sanitizer, self.reason)
    }
}

/// Whether rustup has a nightly compiler.
fn has_nightly(workspace: &Workspace) -> bool {
    let list = workspace.cmd("rustup").args(["toolchain", "list"]).read();
    list.is_ok_and(|list| list.lines().any(|line| line.starts_with("nightly")))
}
