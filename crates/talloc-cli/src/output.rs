//! Where results go: the standard output, or a file that is complete or not there.

use anyhow::{Result, ensure};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write, stdout};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Writes to the standard output.
pub fn print(write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    fill(stdout().lock(), "the standard output".to_owned(), write).map(drop)
}

/// Writes the file that a command makes from `input`.
///
/// It takes its place when it is complete. If `write` fails, what was there before stays. Devices and pipes are written
/// to as they are.
pub fn create(
    path: &Path,
    input: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let name = path.display().to_string();
    ensure!(!is_same(path, input), "{name}: the output would replace the input");
    let failed = |error| failed(&name, &error);
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let device = File::options().write(true).open(path).map_err(failed)?;
        return fill(device, name, write).map(drop);
    }
    // A link stays, and what it leads to is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let beside = temporary(&target).map_err(failed)?;
    let complete = fill(beside, name.clone(), write)?;
    complete.persist(&target).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Whether two paths lead to one file.
fn is_same(output: &Path, input: &Path) -> bool {
    // A pipe must not be opened to find that out.
    let is_file = |path| fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file(output) && is_file(input) && same_file::is_same_file(output, input).unwrap_or(false)
}

/// An empty file in the folder of `target`.
fn temporary(target: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // As any other new file, or the one that is replaced; a temporary one would be for its owner alone.
    #[cfg(unix)]
    builder.permissions(fs::metadata(target).map_or_else(
        |_| std::os::unix::fs::PermissionsExt::from_mode(0o666),
        |existing| existing.permissions(),
    ));
    let folder = target.parent().filter(|folder| *folder != "");
    let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_owned);
    builder.suffix(".part").tempfile_in(folder)
}

/// Writes to `inner`, whose name is told if that fails, and returns it.
fn fill<W: Write>(
    inner: W,
    name: String,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<W> {
    let mut out = BufWriter::new(Named { inner, name });
    write(&mut out)?;
    out.flush()?;
    // All has been written: nothing is left to fail.
    Ok(out.into_inner().map_err(io::IntoInnerError::into_error)?.inner)
}

/// A writer that tells its name when it fails.
struct Named<W> {
    inner: W,
    name: String,
}

impl<W: Write> Write for Named<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes).map_err(|error| failed(&self.name, &error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().map_err(|error| failed(&self.name, &error))
    }
}

/// An error of an output, with its name.
fn failed(name: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("writing {name}: {error}"))
}
