//! `msrv`: builds and tests the libraries with the oldest compiler they promise to support.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::semver::Version;

use crate::cmd::Cmd;
use crate::workspace::{INTERFACE, Workspace};

/// The environment variable that names a compiler to use instead of a rustup toolchain.
const RUSTC: &str = "TALLOC_MSRV_RUSTC";
/// The environment variable that names the matching `rustdoc`.
const RUSTDOC: &str = "TALLOC_MSRV_RUSTDOC";

#[derive(clap::Args)]
#[command(after_help = "\
The compiler is the one that the environment variable TALLOC_MSRV_RUSTC names (with \
TALLOC_MSRV_RUSTDOC, or the `rustdoc` beside it, for the documentation's tests), or else a rustup \
toolchain.")]
pub struct Args {}

pub fn run(workspace: &Workspace, _: &Args) -> Result<()> {
    let msrv = declared(workspace)?;
    let toolchain = Toolchain::find(workspace, &msrv)?;
    toolchain.check_version(workspace, &msrv)?;

    let target = workspace.scratch("msrv");
    let cargo =
        |command: &str| toolchain.cargo(workspace).args([command, "--target-dir", target.as_str()]);
    let test = |packages: &[&str], features: Vec<String>| {
        let test = cargo("test").args(packages).args(features);
        if toolchain.has_rustdoc() { test } else { test.args(["--lib", "--tests", "--examples"]) }
    };
    let libraries: Vec<_> = workspace.select_libraries().collect();
    let interface = ["-p", INTERFACE];
    cargo("build").args(interface).args(&libraries).run()?;
    test(&libraries, workspace.stable_features()?).run()?;
    // By itself: a linker may refuse the names of defmt's symbols in a shared library.
    test(&interface, Vec::new()).run()?;
    if !toolchain.has_rustdoc() {
        eprintln!("not run: the documentation's tests; set {RUSTDOC} to a rustdoc {msrv}");
    }
    Ok(())
}

/// The version that all libraries declare.
fn declared(workspace: &Workspace) -> Result<Version> {
    let libraries = workspace.libraries()?;
    let mut versions = libraries.iter().map(|library| {
        let version = library.rust_version.clone();
        version.with_context(|| format!("{} declares no rust-version", library.name))
    });
    let first = versions.next().context("there is no library")??;
    for version in versions {
        ensure!(version? == first, "the libraries declare different rust-versions");
    }
    Ok(first)
}

enum Toolchain {
    Compiler { rustc: PathBuf, rustdoc: Option<PathBuf> },
    Rustup { name: String },
}

impl Toolchain {
    fn find(workspace: &Workspace, msrv: &Version) -> Result<Self> {
        if let Some(rustc) = path_in(RUSTC)? {
            let given = path_in(RUSTDOC)?;
            let beside = Some(rustc.with_file_name("rustdoc")).filter(|path| path.is_file());
            return Ok(Self::Compiler { rustc, rustdoc: given.or(beside) });
        }
        // Without rustup there is no toolchain of its either.
        let installed = workspace.cmd("rustup").args(["toolchain", "list"]).read();
        match pick(&installed.unwrap_or_default(), msrv) {
            Some(name) => Ok(Self::Rustup { name: name.to_owned() }),
            None => bail!("{}", how_to_get(msrv)),
        }
    }

    /// A newer compiler would show nothing.
    fn check_version(&self, workspace: &Workspace, msrv: &Version) -> Result<()> {
        let said = match self {
            Self::Compiler { rustc, .. } => Cmd::new(workspace.shell(), rustc),
            Self::Rustup { name } => workspace.cmd("rustup").args(["run", name, "rustc"]),
        };
        let said = said.args(["--version"]).read()?;
        ensure!(
            is_release_of(version_in(&said), msrv),
            "rustc {}.{} is needed, but this is {said}",
            msrv.major,
            msrv.minor
        );
        eprintln!("{said}");
        Ok(())
    }

    fn has_rustdoc(&self) -> bool {
        !matches!(self, Self::Compiler { rustdoc: None, .. })
    }

    fn cargo<'a>(&self, workspace: &'a Workspace) -> Cmd<'a> {
        match self {
            Self::Compiler { rustc, rustdoc } => {
                let cargo = workspace.cmd("cargo").env("RUSTC", rustc);
                match rustdoc.as_deref().map(Path::as_os_str) {
                    Some(rustdoc) => cargo.env("RUSTDOC", rustdoc),
                    None => cargo,
                }
            }
            Self::Rustup { name } => workspace.cmd("rustup").args(["run", name, "cargo"]),
        }
    }
}

/// The path that an environment variable holds; absolute, as the commands run at the root.
fn path_in(variable: &str) -> Result<Option<PathBuf>> {
    let Some(path) = env::var_os(variable) else { return Ok(None) };
    let path = std::path::absolute(path).with_context(|| format!("{variable} holds no path"))?;
    Ok(Some(path))
}

/// The first toolchain of the release `msrv`, with any patch number, that rustup lists.
fn pick<'a>(installed: &'a str, msrv: &Version) -> Option<&'a str> {
    let names = installed.lines().filter_map(|line| line.split_whitespace().next());
    names.into_iter().find(|name| is_release_of(name.split('-').next(), msrv))
}

/// The version in what `rustc --version` says.
fn version_in(said: &str) -> Option<&str> {
    said.strip_prefix("rustc ")?.split_whitespace().next()
}

/// Whether `version` is `major.minor` or `major.minor.patch` of the release `msrv`.
fn is_release_of(version: Option<&str>, msrv: &Version) -> bool {
    let mut parts = version.unwrap_or_default().split('.');
    let mut part = || parts.next()?.parse().ok();
    (part(), part()) == (Some(msrv.major), Some(msrv.minor))
}

fn how_to_get(msrv: &Version) -> String {
    let release = format!("{}.{}", msrv.major, msrv.minor);
    format!(
        "\
there is no Rust {release} here. Ways to get one:
- with rustup:  rustup toolchain install {release}
- where the distribution's own compiler is {release}:
      {RUSTC}=/usr/bin/rustc cargo xtask msrv
- on Debian, beside other compilers (the packages conflict, so unpack them):
      apt-cache madison rustc-web        # pick the {release} version V
      apt-get download rustc-web=V libstd-rust-web-{release}=V libstd-rust-web-dev=V
      apt-get download libllvm19         # or the one that libstd-rust-web-{release}=V depends on
      for deb in *.deb; do dpkg -x $deb R; done
  make R/rustc and R/rustdoc executable scripts like this, with R as an absolute path:
      #!/bin/sh
      LD_LIBRARY_PATH=R/usr/lib/x86_64-linux-gnu exec R/usr/bin/rustc \"$@\"
  and run  {RUSTC}=R/rustc cargo xtask msrv"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSRV: Version = Version::new(1, 85, 0);

    #[test]
    fn picks_any_patch_of_the_release() {
        let list = "stable-x86_64-unknown-linux-gnu (active, default)\n\
                    1.84.1-x86_64-unknown-linux-gnu\n\
                    1.85.1-x86_64-unknown-linux-gnu\n\
                    1.95.0-x86_64-unknown-linux-gnu";
        assert_eq!(pick(list, &MSRV), Some("1.85.1-x86_64-unknown-linux-gnu"));
        assert_eq!(
            pick("1.85-x86_64-unknown-linux-gnu", &MSRV),
            Some("1.85-x86_64-unknown-linux-gnu")
        );
        assert_eq!(pick("1.8.5-x\n1.850-x\nnightly-1.85-x", &MSRV), None);
        assert_eq!(pick("", &MSRV), None);
    }

    #[test]
    fn reads_the_compilers_version() {
        assert_eq!(version_in("rustc 1.85.0 (4d91de4e4 2025-02-17)"), Some("1.85.0"));
        assert!(is_release_of(version_in("rustc 1.85.1"), &MSRV));
        assert!(!is_release_of(version_in("rustc 1.95.0 (59807616e 2026-04-14)"), &MSRV));
        assert!(!is_release_of(version_in("not a compiler"), &MSRV));
    }

    #[test]
    fn says_how_to_get_the_compiler() {
        let message = how_to_get(&MSRV);
        assert!(message.contains("rustup toolchain install 1.85"), "{message}");
        assert!(message.contains(RUSTC), "{message}");
    }
}
