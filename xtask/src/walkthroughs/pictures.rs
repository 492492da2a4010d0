//! The pictures of the walkthroughs.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use super::{FOLDER, RESULTS};
use crate::browser;
use crate::workspace::Workspace;

/// The most bytes of a picture in the repository.
const MAX_PICTURE: u64 = 150_000;

/// Finds the source of a picture. A picture that the commands have drawn is copied; a page is shown in a screenshot.
fn source(workspace: &Workspace, picture: &str) -> Result<Utf8PathBuf> {
    let name = Utf8Path::new(picture);
    let extension = match name.extension() {
        Some("svg") => "svg",
        Some("png") => "html",
        _ => bail!("{picture} is neither an SVG picture nor a PNG one"),
    };
    Ok(workspace.root().join(RESULTS).join(name.with_extension(extension)))
}

fn committed(workspace: &Workspace, picture: &str) -> Utf8PathBuf {
    workspace.root().join(FOLDER).join("pictures").join(picture)
}

/// Makes a picture again.
pub fn make(workspace: &Workspace, picture: &str) -> Result<()> {
    let (source, target) = (source(workspace, picture)?, committed(workspace, picture));
    fs::create_dir_all(target.with_file_name(""))?;
    if target.extension() == source.extension() {
        fs::copy(&source, &target).with_context(|| source.to_string())?;
        return Ok(());
    }
    browser::screenshot(workspace, &source, &target)
}

/// Checks that a picture exists, and that the commands have made its source.
pub fn check(workspace: &Workspace, picture: &str) -> Result<()> {
    let source = source(workspace, picture)?;
    ensure!(source.is_file(), "the commands have not made {source}");
    check_committed(workspace, picture)
}

/// Checks that a picture exists, and is small.
pub fn check_committed(workspace: &Workspace, picture: &str) -> Result<()> {
    let path = committed(workspace, picture);
    let size = fs::metadata(&path).with_context(|| format!("there is no {path}"))?.len();
    ensure!(size <= MAX_PICTURE, "{path} has {size} bytes, more than {MAX_PICTURE}");
    Ok(())
}
