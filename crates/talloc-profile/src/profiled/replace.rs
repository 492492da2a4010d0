//! Files that are complete at any time.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file beside `path`, under a name that no other writer has, and gives it that path.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != "");
    let mut builder = tempfile::Builder::new();
    // As for any other new file; a temporary one would be for its owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut beside = builder
        .prefix(path.file_name().unwrap_or(OsStr::new("profile")))
        .suffix(".part")
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    beside.write_all(contents)?;
    beside.persist(path)?;
    Ok(())
}
