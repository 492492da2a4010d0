//! The package with the chosen allocator, one of three.

use std::fs::{self, File};

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};
use object::{Object, ObjectSymbol, ReadCache};

use super::source::write_if_other;
use crate::workspace::{BENCHES, Workspace};

pub const PACKAGE: &str = "chosen-allocator";

/// The number of allocators.
pub const COUNT: usize = 3;

/// An allocator, by the package's feature. The others are compared with the first.
pub struct Allocator {
    pub feature: &'static str,
    /// A text that only the names of its functions contain; `None` if its functions are in a library.
    functions: Option<&'static str>,
}

pub const ALLOCATORS: [Allocator; COUNT] = [
    Allocator { feature: "system", functions: None },
    Allocator { feature: "talloc", functions: Some("talloc_core") },
    Allocator { feature: "mimalloc", functions: Some("mi_malloc_aligned") },
];

/// A text in the compiler's names of the functions for programs without a chosen allocator.
const DEFAULT: &str = "__rdl_alloc";

const SOURCE: &str = "\
#[cfg(feature = \"system\")]
#[global_allocator]
static ALLOCATOR: std::alloc::System = std::alloc::System;

#[cfg(feature = \"talloc\")]
#[global_allocator]
static ALLOCATOR: talloc_global::SystemTalloc = talloc_global::SystemTalloc::new();

#[cfg(feature = \"mimalloc\")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
";

/// Writes the package. Returns its folder.
///
/// # Errors
///
/// If the benchmarks, whose mimalloc this is, have none.
pub fn write(workspace: &Workspace, place: &Utf8Path) -> Result<Utf8PathBuf> {
    let folder = place.join(PACKAGE);
    let library = workspace.root().join("crates/talloc-global");
    let benches = workspace.members().into_iter().find(|member| member.name == BENCHES);
    let peers = benches.context("there are no benchmarks here")?.dependencies.iter();
    let mimalloc = peers.into_iter().find(|peer| peer.name == "mimalloc");
    let mimalloc = &mimalloc.context("the benchmarks do without mimalloc")?.req;
    let manifest = format!(
        "[package]
name = \"{PACKAGE}\"
version = \"0.0.0\"
edition = \"2024\"

[features]
system = []
talloc = [\"dep:talloc-global\"]
mimalloc = [\"dep:mimalloc\"]

[dependencies]
talloc-global = {{ path = {:?}, optional = true }}
mimalloc = {{ version = \"{mimalloc}\", default-features = false, optional = true }}

[workspace]
",
        library.as_str()
    );
    fs::create_dir_all(folder.join("src"))?;
    write_if_other(&folder.join("Cargo.toml"), manifest.as_bytes())?;
    write_if_other(&folder.join("src/lib.rs"), SOURCE.as_bytes())?;
    Ok(folder)
}

impl Allocator {
    /// Expects that an executable has this allocator, and no other.
    ///
    /// # Errors
    ///
    /// If it has another allocator, or no symbols.
    pub fn expect_in(&self, executable: &Utf8Path) -> Result<()> {
        let file = File::open(executable).with_context(|| format!("{executable} is not there"))?;
        let cache = ReadCache::new(file);
        let file = object::File::parse(&cache)?;
        let names: Vec<&str> = file.symbols().filter_map(|symbol| symbol.name().ok()).collect();
        self.expect_among(&names).with_context(|| format!("{executable} is not as it should be"))
    }

    fn expect_among(&self, names: &[&str]) -> Result<()> {
        let is_there = |part: &str| names.iter().any(|name| name.contains(part));
        ensure!(is_there("rust_alloc"), "its symbols do not tell which allocator it has");
        ensure!(!is_there(DEFAULT), "no allocator has been chosen for it");
        for other in &ALLOCATORS {
            let Some(functions) = other.functions else { continue };
            let is_this = other.feature == self.feature;
            let wrong = if is_this { "has not" } else { "has" };
            ensure!(is_there(functions) == is_this, "it {wrong} the allocator {}", other.feature);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_allocator_is_found_out() {
        let [system, ours, mimalloc] = &ALLOCATORS;
        let found = |allocator: &Allocator, names: &[&str]| {
            allocator.expect_among(names).map_err(|error| error.to_string())
        };
        let with_ours = ["_R12___rust_alloc", "_RN11talloc_core6malloc"];
        assert_eq!(found(ours, &with_ours), Ok(()));
        assert_eq!(found(system, &with_ours).unwrap_err(), "it has the allocator talloc");
        assert_eq!(found(mimalloc, &with_ours).unwrap_err(), "it has the allocator talloc");
        let with_system = ["_R12___rust_alloc", "malloc"];
        assert_eq!(found(system, &with_system), Ok(()));
        assert_eq!(found(ours, &with_system).unwrap_err(), "it has not the allocator talloc");
        let with_none = ["_R12___rust_alloc", "_R11___rdl_alloc"];
        assert_eq!(found(system, &with_none).unwrap_err(), "no allocator has been chosen for it");
        assert!(found(system, &[]).unwrap_err().contains("do not tell"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_executable_without_symbols_does_not_tell() {
        // A small one: others look at the size of this process.
        let shell = Utf8PathBuf::try_from(crate::tools::require("sh", "").unwrap()).unwrap();
        for allocator in &ALLOCATORS {
            let error = format!("{:#}", allocator.expect_in(&shell).unwrap_err());
            assert!(error.ends_with("do not tell which allocator it has"), "{error}");
        }
    }
}
