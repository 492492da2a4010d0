//! The libraries that replace `malloc` in programs with faults.

use std::fs;

use anyhow::{Result, ensure};
use cargo_metadata::camino::Utf8PathBuf;

use crate::preload::{self, Level};
use crate::workspace::Workspace;

/// A library.
pub struct Library {
    pub name: String,
    /// The file; `None` for the C library, which needs no preloading.
    pub path: Option<Utf8PathBuf>,
}

/// Builds talloc's libraries. Returns them, the C library and the others.
pub fn build(workspace: &Workspace, others: &[(String, Utf8PathBuf)]) -> Result<Vec<Library>> {
    ensure!(cfg!(target_os = "linux"), "libraries are preloaded on Linux only");
    let place = workspace.scratch("faults");
    fs::create_dir_all(&place)?;
    let levels = [
        ("talloc", Level::Plain),
        ("talloc, checked", Level::Checked),
        ("talloc, hardened", Level::Hardened),
    ];
    let mut libraries = Vec::new();
    for (name, level) in levels {
        // The next one is built in the same place.
        let path = place.join(format!("{level:?}.so"));
        fs::copy(preload::build(workspace, level)?, &path)?;
        libraries.push(Library { name: name.to_owned(), path: Some(path) });
    }
    libraries.push(Library { name: "the C library".to_owned(), path: None });
    let others = others.iter().cloned();
    libraries.extend(others.map(|(name, path)| Library { name, path: Some(path) }));
    Ok(libraries)
}
