//! The compilers: the present one, made to accept unstable options, and one that has the sources
//! of the standard library.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cmd::Cmd;
use crate::workspace::Workspace;

/// Where below its system root a compiler's component `rust-src` lies.
const SOURCES: &str = "lib/rustlib/src/rust/library/std/src/lib.rs";

/// A compiler and what it says of itself.
pub struct Compiler {
    /// The variables that make cargo use it.
    env: Vec<(&'static str, OsString)>,
    /// `rustup run` in front of the commands, if it is one of rustup's other toolchains.
    toolchain: Option<&'static str>,
    pub sysroot: PathBuf,
    pub host: String,
    /// The major version of its LLVM.
    pub llvm: u32,
}

impl Compiler {
    /// The one that cargo uses.
    pub fn present(workspace: &Workspace) -> Result<Self> {
        Self::ask(workspace, None, Vec::new())
    }

    /// One with the standard library's sources, for `-Zbuild-std`.
    pub fn with_sources(workspace: &Workspace) -> Result<Self> {
        let nightly = Self::ask(workspace, Some("nightly"), Vec::new());
        // A distribution's compiler is no toolchain of rustup's.
        let distribution = || {
            let env = [("RUSTC", "/usr/bin/rustc"), ("RUSTDOC", "/usr/bin/rustdoc")];
            Self::ask(workspace, None, env.map(|(name, path)| (name, path.into())).to_vec())
        };
        let candidates = [Self::present(workspace), nightly, distribution()];
        let found = candidates.into_iter().flatten().find(|compiler| compiler.has_sources());
        match found {
            Some(compiler) => Ok(compiler),
            None => bail!("{HOW_TO_GET_SOURCES}"),
        }
    }

    fn ask(
        workspace: &Workspace,
        toolchain: Option<&'static str>,
        env: Vec<(&'static str, OsString)>,
    ) -> Result<Self> {
        let mut compiler =
            Self { env, toolchain, sysroot: PathBuf::new(), host: String::new(), llvm: 0 };
        let said = compiler.rustc(workspace).args(["-vV"]).read()?;
        let line = |key: &str| {
            let value = said.lines().find_map(|line| line.strip_prefix(key));
            value.map(str::trim).with_context(|| format!("no `{key}` in {said}"))
        };
        compiler.host = line("host:")?.to_owned();
        let llvm = line("LLVM version:")?.split('.').next().unwrap_or_default();
        compiler.llvm = llvm.parse().with_context(|| format!("no LLVM version in {said}"))?;
        let sysroot = compiler.rustc(workspace).args(["--print", "sysroot"]).read()?;
        compiler.sysroot = sysroot.into();
        Ok(compiler)
    }

    fn rustc<'a>(&self, workspace: &'a Workspace) -> Cmd<'a> {
        let given = self.env.iter().find(|(name, _)| *name == "RUSTC").map(|(_, path)| path);
        match (self.toolchain, given) {
            (Some(name), _) => workspace.cmd("rustup").args(["run", name, "rustc"]),
            (None, Some(path)) => Cmd::new(workspace.shell(), Path::new(path)),
            (None, None) => workspace.cmd("rustc"),
        }
    }

    /// Cargo with this compiler, which accepts what is unstable.
    pub fn cargo<'a>(&self, workspace: &'a Workspace) -> Cmd<'a> {
        let cargo = match self.toolchain {
            Some(name) => workspace.cmd("rustup").args(["run", name, "cargo"]),
            None => workspace.cmd("cargo"),
        };
        let env = self.env.iter().cloned().chain([("RUSTC_BOOTSTRAP", "1".into())]);
        env.fold(cargo, |cargo, (name, value)| cargo.env(name, value))
    }

    pub fn has_sources(&self) -> bool {
        self.sysroot.join(SOURCES).is_file()
    }

    /// The folder of its libraries for the host.
    pub fn libraries(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(&self.host).join("lib")
    }
}

/// The option that passes `flags` to the compiler for what is built for `host`.
///
/// Not by `RUSTFLAGS`, which the tests that run cargo would inherit.
pub fn rustflags(host: &str, flags: &[&str]) -> [String; 2] {
    ["--config".to_owned(), format!("target.{host}.rustflags={flags:?}")]
}

const HOW_TO_GET_SOURCES: &str = "\
there is no compiler here that has the sources of the standard library. Ways to get one:
- with rustup:  rustup toolchain install nightly --component rust-src
- on Debian:    apt-get install rustc-web rust-web-src    # used as /usr/bin/rustc";
