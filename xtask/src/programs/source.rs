//! Sources from the registry, and copies of them that have an allocator.

use std::fs;

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{MetadataCommand, Package, TargetKind};

use super::allocator;
use super::table::{Kind, Program, Tests};
use crate::workspace::Workspace;

/// What cargo has got from the registry.
pub struct Fetched {
    package: Package,
    folder: Utf8PathBuf,
}

/// A library that is fetched with every program. `cargo metadata` does not report the folder of programs,
/// but all packages from one registry lie in one folder.
const BESIDE: &str = "cfg-if";

impl Fetched {
    /// Makes cargo fetch a program, as a dependency of an empty package.
    ///
    /// # Errors
    ///
    /// If cargo cannot fetch it. Without a network, cargo has only the packages that it has fetched before.
    pub fn new(workspace: &Workspace, program: &Program, place: &Utf8Path) -> Result<Self> {
        let empty = place.join("empty");
        let (name, version) = (program.package, program.version);
        let manifest = format!(
            "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
            [dependencies]\n{name} = \"={version}\"\n{BESIDE} = \"1\"\n\n[workspace]\n"
        );
        write_if_other(&empty.join("Cargo.toml"), manifest.as_bytes())?;
        write_if_other(&empty.join("src/lib.rs"), b"")?;
        let manifest = empty.join("Cargo.toml");
        let fetch = workspace.cargo(["fetch", "--manifest-path", manifest.as_str()]);
        let failed = || format!("{name} {version} cannot be fetched; is there a network?");
        fetch.run().with_context(failed)?;

        let fetched = packages(MetadataCommand::new().manifest_path(&manifest))?;
        let beside = fetched.iter().find(|package| package.name == BESIDE);
        let beside = folder(beside.with_context(|| format!("there is no {BESIDE}"))?)?;
        let folder = beside.with_file_name(format!("{name}-{version}"));
        let manifest = folder.join("Cargo.toml");
        let package = packages(MetadataCommand::new().manifest_path(manifest).no_deps())?;
        let package = package.into_iter().next();
        Ok(Self { package: package.with_context(|| format!("there is no {folder}"))?, folder })
    }

    /// Copies the program, as a workspace of its own, with an allocator that a feature chooses. Returns
    /// the folder.
    ///
    /// # Errors
    ///
    /// If nothing of it is to be built.
    pub fn patch(
        &self,
        kind: &Kind,
        allocator: &Utf8Path,
        place: &Utf8Path,
    ) -> Result<Utf8PathBuf> {
        let original = &self.folder;
        let copy = place.join(format!("{}-{}", self.package.name, self.package.version));
        let roots = self.roots(kind);
        ensure!(!roots.is_empty(), "{original} has nothing that could be run");
        for file in files(original)? {
            let mut contents = fs::read(&file)?;
            let name = file.strip_prefix(original)?;
            let to = copy.join(name);
            if name == "Cargo.lock" && to.exists() {
                // Cargo has added to it.
                continue;
            } else if name == "Cargo.toml" {
                contents.extend(dependency(kind, allocator).into_bytes());
            } else if let Some((_, use_it)) = roots.iter().find(|(root, _)| *root == file) {
                contents.extend(use_it.bytes());
            }
            write_if_other(&to, &contents)?;
        }
        if let Kind::Tests(Tests { unpublished: Some(file), .. }) = kind {
            write_if_other(&copy.join(file), b"")?;
        }
        Ok(copy)
    }

    /// The files of crates that get an allocator, and the text that they get.
    fn roots(&self, kind: &Kind) -> Vec<(&Utf8Path, &'static str)> {
        let use_it = "\nextern crate chosen_allocator as _;\n";
        let use_it_in_tests = "\n#[cfg(test)]\nextern crate chosen_allocator as _;\n";
        let targets = self.package.targets.iter();
        let root = |target: &'_ cargo_metadata::Target| match kind {
            Kind::Tests(_) if target.kind.contains(&TargetKind::Lib) => Some(use_it_in_tests),
            Kind::Tests(_) if target.kind.contains(&TargetKind::Test) => Some(use_it),
            Kind::Searches { executable, .. } if target.name == *executable => Some(use_it),
            _ => None,
        };
        targets.filter_map(|it| Some((it.src_path.as_path(), root(it)?))).collect()
    }
}

/// The text that is added to the manifest of a copy.
fn dependency(kind: &Kind, allocator: &Utf8Path) -> String {
    let table = match kind {
        Kind::Tests(_) => "dev-dependencies",
        Kind::Searches { .. } => "dependencies",
    };
    let (package, path) = (allocator::PACKAGE, allocator.as_str());
    format!("\n[{table}.{package}]\npath = {path:?}\n\n[workspace]\n")
}

/// Folders of all packages from the registry that a package needs, anywhere.
///
/// # Errors
///
/// If `cargo metadata` fails.
pub fn needed(manifest: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let packages = packages(MetadataCommand::new().manifest_path(manifest))?;
    let others = packages.iter().filter(|package| package.source.is_some());
    let mut folders: Vec<_> = others.map(folder).collect::<Result<_>>()?;
    folders.sort();
    Ok(folders)
}

fn packages(command: &MetadataCommand) -> Result<Vec<Package>> {
    Ok(command.exec().context("`cargo metadata` failed")?.packages)
}

fn folder(package: &Package) -> Result<Utf8PathBuf> {
    let folder = package.manifest_path.parent();
    Ok(folder.with_context(|| format!("{} is nowhere", package.name))?.to_owned())
}

/// All files below a folder.
fn files(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut found = Vec::new();
    for entry in folder.read_dir_utf8().with_context(|| format!("{folder} is gone"))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(entry.path())?);
        } else {
            found.push(entry.into_path());
        }
    }
    Ok(found)
}

/// Writes a file, unless it has these contents already: cargo then does not build it again.
pub fn write_if_other(file: &Utf8Path, contents: &[u8]) -> Result<()> {
    if fs::read(file).is_ok_and(|old| old == contents) {
        return Ok(());
    }
    fs::create_dir_all(file.parent().unwrap_or(file))?;
    fs::write(file, contents).with_context(|| format!("{file} cannot be written"))
}
