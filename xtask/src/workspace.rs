//! The workspace as cargo describes it.

use anyhow::{Context, Result};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Metadata, MetadataCommand, Package};
use xshell::Shell;

use crate::cmd::Cmd;
use crate::features;

/// The libraries, from the lowest layer up.
pub const LAYERS: [&str; 4] = ["talloc-span", "talloc-core", "talloc-sync", "talloc-global"];

/// The library that has the C functions, on top of them. It needs an operating system, and `std`.
pub const INTERFACE: &str = "talloc-capi";

/// The libraries that observe heaps, from the lowest up. They use none of the others: any allocator can be observed.
/// The topmost of the [`LAYERS`] may use the first, for its formats.
/// The first is `no_std`.
pub const OBSERVERS: [&str; 4] =
    ["talloc-trace", "talloc-sampling", "talloc-profile", "talloc-guarded"];

/// The command-line tool, which replays on our heaps what was observed.
pub const TOOL: &str = "talloc-cli";

/// The benchmarks.
pub const BENCHES: &str = "talloc-benches";

pub struct Workspace {
    metadata: Metadata,
    shell: Shell,
}

impl Workspace {
    /// The workspace that the current directory lies in.
    ///
    /// # Errors
    ///
    /// If `cargo metadata` fails.
    pub fn load() -> Result<Self> {
        let metadata =
            MetadataCommand::new().no_deps().exec().context("`cargo metadata` failed")?;
        let shell = Shell::new()?;
        shell.change_dir(&metadata.workspace_root);
        Ok(Self { metadata, shell })
    }

    pub fn shell(&self) -> &Shell {
        &self.shell
    }

    pub fn root(&self) -> &Utf8Path {
        &self.metadata.workspace_root
    }

    /// The target directory.
    pub fn target(&self) -> &Utf8Path {
        &self.metadata.target_directory
    }

    /// A folder below the target directory, for one task's files.
    pub fn scratch(&self, task: &str) -> Utf8PathBuf {
        self.metadata.target_directory.join("xtask").join(task)
    }

    /// Every member of the workspace.
    pub fn members(&self) -> Vec<&Package> {
        self.metadata.workspace_packages()
    }

    /// The packages of [`LAYERS`], in that order.
    ///
    /// # Errors
    ///
    /// If one is not a member of the workspace.
    pub fn libraries(&self) -> Result<Vec<&Package>> {
        LAYERS.into_iter().map(|name| self.library(name)).collect()
    }

    /// The package of the [`INTERFACE`].
    ///
    /// # Errors
    ///
    /// If it is not a member of the workspace.
    pub fn interface(&self) -> Result<&Package> {
        self.library(INTERFACE)
    }

    /// The [`OBSERVERS`], in that order.
    ///
    /// # Errors
    ///
    /// If one is not a member of the workspace.
    pub fn observers(&self) -> Result<Vec<&Package>> {
        OBSERVERS.into_iter().map(|name| self.library(name)).collect()
    }

    /// The package of the [`TOOL`].
    ///
    /// # Errors
    ///
    /// If it is not a member of the workspace.
    pub fn tool(&self) -> Result<&Package> {
        self.library(TOOL)
    }

    fn library(&self, name: &str) -> Result<&Package> {
        let library = self.members().into_iter().find(|member| member.name == name);
        library.with_context(|| {
            format!("the library `{name}` is not a member of the workspace {}", self.root())
        })
    }

    /// `-p` for each library.
    pub fn select_libraries(&self) -> impl Iterator<Item = &'static str> {
        LAYERS.into_iter().flat_map(|library| ["-p", library])
    }

    /// `-p` for each library that has a feature which `cargo test` leaves out, and `--features` with all their stable
    /// features. The libraries below are built with most of theirs anyway, as others ask for them.
    ///
    /// # Errors
    ///
    /// As [`libraries`](Self::libraries).
    pub fn select_upper_libraries(&self) -> Result<Vec<String>> {
        let is_upper = |library: &&&Package| LAYERS[2..].contains(&library.name.as_str());
        let upper: Vec<_> = self.libraries()?.iter().filter(is_upper).copied().collect();
        let names = upper.iter().flat_map(|library| ["-p".to_owned(), library.name.to_string()]);
        Ok(names.chain(stable_features(upper.iter().copied())).collect())
    }

    /// `-p` for each of the [`OBSERVERS`].
    pub fn select_observers(&self) -> impl Iterator<Item = &'static str> {
        OBSERVERS.into_iter().flat_map(|library| ["-p", library])
    }

    /// `--features` with every stable feature of every library, for commands on several packages.
    ///
    /// # Errors
    ///
    /// As [`libraries`](Self::libraries).
    pub fn stable_features(&self) -> Result<Vec<String>> {
        Ok(stable_features(self.libraries()?))
    }

    /// The same, but only of those with which programs for any system can be linked.
    ///
    /// # Errors
    ///
    /// As [`libraries`](Self::libraries).
    pub fn hosted_features(&self) -> Result<Vec<String>> {
        Ok(features_but(self.libraries()?, &[features::NIGHTLY, features::DEFMT]))
    }

    /// The [stable ones](Self::stable_features) of the [`INTERFACE`].
    ///
    /// # Errors
    ///
    /// As [`interface`](Self::interface).
    pub fn interface_features(&self) -> Result<Vec<String>> {
        Ok(stable_features([self.interface()?]))
    }

    /// The [stable ones](Self::stable_features) of the [`OBSERVERS`].
    ///
    /// # Errors
    ///
    /// As [`observers`](Self::observers).
    pub fn observer_features(&self) -> Result<Vec<String>> {
        Ok(stable_features(self.observers()?))
    }

    /// A command that runs `program` at the workspace's root.
    pub fn cmd(&self, program: &str) -> Cmd<'_> {
        Cmd::new(&self.shell, program)
    }

    /// The same of a program that has been looked for.
    pub fn program(&self, path: &std::path::Path) -> Cmd<'_> {
        Cmd::new(&self.shell, path)
    }

    pub fn cargo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Cmd<'_> {
        self.cmd("cargo").args(args)
    }
}

/// `--features` with every stable feature of some packages.
fn stable_features<'a>(packages: impl IntoIterator<Item = &'a Package>) -> Vec<String> {
    features_but(packages, &[features::NIGHTLY])
}

/// `--features` with every feature of some packages that is not one of some.
fn features_but<'a>(
    packages: impl IntoIterator<Item = &'a Package>,
    excluded: &[&str],
) -> Vec<String> {
    let mut all = Vec::new();
    for package in packages {
        let stable = features::without(&package.features, excluded);
        all.extend(stable.iter().map(|feature| format!("{}/{feature}", package.name)));
    }
    features::as_argument(&all)
}
