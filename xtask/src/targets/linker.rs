//! LLD, which links for machines without a system.

use std::cmp::Reverse;
use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::compiler::Compiler;
use super::table::INSTALL;

/// Arguments for cargo that name a linker, if the compiler has none of its own.
///
/// # Errors
///
/// If there is none; the error says how to get one.
pub fn arguments(compiler: &Compiler, triple: &str) -> Result<Vec<String>> {
    if compiler.has_linker() {
        return Ok(Vec::new());
    }
    let name = if triple.starts_with("wasm") { "wasm-ld" } else { "ld.lld" };
    let linker = newest(name)
        .with_context(|| format!("there is no `{name}` here; to get it: {INSTALL} lld"))?;
    Ok(vec!["--config".to_owned(), format!("target.{triple}.linker={linker:?}")])
}

/// The program `name` in PATH, or the one of the highest version, as `ld.lld-19`.
fn newest(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).filter_map(|folder| fs::read_dir(folder).ok());
    let files = folders.flatten().flatten().map(|file| file.path());
    let versions =
        files.filter_map(|file| Some((version(name, file.file_name()?.to_str()?)?, file)));
    versions.min_by_key(|(version, _)| Reverse(*version)).map(|(_, file)| file)
}

/// The version of a program that is called `file`, if it is `name`: the highest if it has none.
fn version(name: &str, file: &str) -> Option<u32> {
    match file.strip_prefix(name)? {
        "" => Some(u32::MAX),
        rest => rest.strip_prefix('-')?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        assert_eq!(version("ld.lld", "ld.lld"), Some(u32::MAX));
        assert_eq!(version("ld.lld", "ld.lld-19"), Some(19));
        assert_eq!(version("ld.lld", "ld.lld-wrapper"), None);
        assert_eq!(version("ld.lld", "ld.lld19"), None);
        assert_eq!(version("ld.lld", "wasm-ld-19"), None);
        assert_eq!(newest("no-such-linker"), None);
    }
}
