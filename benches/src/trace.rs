//! Allocation traces of real programs, as scripts.

use crate::script::Script;
use anyhow::{Context, Result};
use std::{fs, path::Path};

const EXTENSION: &str = ".atr.zst";

/// The traces that come with the suite: their names in alphabetical order.
///
/// # Errors
/// If the folder cannot be read.
pub fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder())? {
        let file = entry?.file_name();
        names
            .extend(file.to_str().and_then(|file| file.strip_suffix(EXTENSION)).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Reads the trace of this name that comes with the suite.
///
/// # Errors
/// If there is no such trace or it cannot be read.
pub fn load(name: &str) -> Result<Script> {
    read(&folder().join(format!("{name}{EXTENSION}")))
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/traces"))
}

/// Reads a trace file.
///
/// # Errors
/// If it cannot be read, is not a trace, or is damaged.
pub fn read(path: &Path) -> Result<Script> {
    let file_name =
        path.file_name().and_then(|name| name.to_str()).context("a trace needs a file name")?;
    let name = file_name.strip_suffix(EXTENSION).unwrap_or(file_name);
    let read = || talloc_trace::open(path).and_then(|reader| Script::read(name, reader));
    read().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_traces_are_whole() {
        let names = names().unwrap();
        assert!(!names.is_empty());
        for name in names {
            let script = load(&name).unwrap();
            assert!(script.peak() > 0 && script.slots() > 0, "{name}");
        }
    }
}
