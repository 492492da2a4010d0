//! Comparison of two folders.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::camino::Utf8Path;

/// Compares all files of two folders. Returns the number of equal bytes.
///
/// # Errors
///
/// If the files differ, with the place; or if there are no files.
pub fn folders(one: &Utf8Path, other: &Utf8Path) -> Result<u64> {
    let [left, right] = [files(one.as_std_path())?, files(other.as_std_path())?];
    for name in left.keys().chain(right.keys()) {
        let is_in_both = left.contains_key(name) && right.contains_key(name);
        ensure!(is_in_both, "only one of {one} and {other} has {}", name.display());
    }
    let mut bytes = 0;
    for (name, path) in &left {
        let same = same(path, &right[name])?;
        let place = |at| format!("{} of {one} and {other} differ at byte {at}", name.display());
        bytes += same.map_err(|at| anyhow::anyhow!(place(at)))?;
    }
    ensure!(bytes > 0, "there is nothing in {one} to be compared");
    Ok(bytes)
}

/// All files below a folder, by their names from there.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("{} is gone", next.display()))? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                found.insert(path.strip_prefix(folder)?.to_owned(), path);
            } else {
                bail!("{} is no file to be compared", path.display());
            }
        }
    }
    Ok(found)
}

/// The number of bytes of two equal files, or the offset of the first difference.
///
/// The files are not read as a whole, because this program must stay small: its size is the least that can be measured
/// for others.
fn same(one: &Path, other: &Path) -> Result<Result<u64, u64>> {
    let (mut one, mut other) =
        (BufReader::new(File::open(one)?), BufReader::new(File::open(other)?));
    let mut bytes = 0;
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        if left.is_empty() && right.is_empty() {
            return Ok(Ok(bytes));
        }
        let len = left.len().min(right.len());
        let differing = left.iter().zip(right).position(|(left, right)| left != right);
        if let Some(at) = differing.or((len == 0).then_some(0)) {
            return Ok(Err(bytes + at as u64));
        }
        one.consume(len);
        other.consume(len);
        bytes += len as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    /// The result for two folders with a file each, and one in a folder below.
    fn compare(name: &str, files: [(&str, &str); 2]) -> Result<u64> {
        let scratch = Workspace::load()?.scratch("preload-tests").join(name);
        let folders = ["one", "other"].map(|folder| scratch.join(folder));
        for (folder, (name, text)) in folders.iter().zip(files) {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
            fs::create_dir_all(folder.join("below"))?;
            fs::write(folder.join("file"), "the same")?;
            fs::write(folder.join("below").join(name), text)?;
        }
        super::folders(&folders[0], &folders[1])
    }

    #[test]
    fn the_same_files_are_the_same() {
        assert_eq!(compare("same", [("a", "text"), ("a", "text")]).unwrap(), 12);
    }

    #[test]
    fn a_difference_is_found_and_said() {
        let error = |name, files| compare(name, files).unwrap_err().to_string();
        let other = error("other-byte", [("a", "text"), ("a", "tent")]);
        assert!(other.starts_with("below/a of ") && other.ends_with("differ at byte 2"), "{other}");
        let longer = error("longer", [("a", "text"), ("a", "text.")]);
        assert!(longer.ends_with("differ at byte 4"), "{longer}");
        let missing = error("missing", [("a", "text"), ("b", "text")]);
        assert!(missing.starts_with("only one of "), "{missing}");
    }

    #[test]
    fn nothing_is_not_the_same_as_nothing() {
        let folder = Workspace::load().unwrap().scratch("preload-tests").join("nothing");
        fs::create_dir_all(&folder).unwrap();
        assert!(folders(&folder, &folder).is_err());
    }
}
