//! Programs that tasks need and do not install.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Finds a program. If it is missing, the error says how to get it.
pub fn require(program: &str, how: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let executable = format!("{program}{}", env::consts::EXE_SUFFIX);
    let found = env::split_paths(&path).map(|folder| folder.join(&executable));
    match found.into_iter().find(|file| is_program(file)) {
        Some(file) => Ok(file),
        None => bail!("there is no `{program}` here; to get it: {how}"),
    }
}

/// Whether a file can be run.
#[cfg(unix)]
pub fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
pub fn is_program(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found() {
        let cargo = require("cargo", "").unwrap();
        assert!(cargo.is_file());
    }

    #[test]
    fn what_is_missing_is_an_error_that_says_how_to_get_it() {
        let error = require("no-such-program", "make one").unwrap_err().to_string();
        assert!(error.contains("no-such-program") && error.contains("make one"), "{error}");
    }
}
