//! Finds files and reads them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// A file with a zero byte among this many first bytes is binary.
const PROBE: usize = 8 << 10;

/// Lists all files at and below `paths`, sorted by name.
///
/// Fails if one of `paths` cannot be read. Skips unreadable entries below them.
pub fn list(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        fs::metadata(path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        let entries = WalkDir::new(path).sort_by_file_name().into_iter().filter_map(Result::ok);
        let below = entries.filter(|entry| entry.path().is_file() && !entry.path_is_symlink());
        files.extend(below.map(walkdir::DirEntry::into_path));
    }
    Ok(files)
}

/// Returns the text of a file, or `None` if the file is binary or cannot be read.
pub fn text(file: &Path) -> Option<String> {
    let bytes = fs::read(file).ok()?;
    if bytes.iter().take(PROBE).any(|byte| *byte == 0) {
        return None;
    }
    Some(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}
