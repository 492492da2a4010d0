//! Chromium without a window, for pages.

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::Utf8Path;

use crate::cmd::Cmd;
use crate::targets::INSTALL;
use crate::tools;
use crate::workspace::Workspace;

/// The time limit of a page's scripts, in milliseconds of the page's clock.
const BUDGET: &str = "--virtual-time-budget=10000";

/// A browser with a page.
///
/// # Errors
///
/// If there is no Chromium; says how to get it.
fn chromium<'a>(workspace: &'a Workspace, page: &str, arguments: &[&str]) -> Result<Cmd<'a>> {
    let program = tools::require("chromium", &format!("{INSTALL} chromium"))?;
    // The sandbox does not work for root, which is the user in containers. The pages are trusted.
    let usual = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", BUDGET];
    Ok(workspace.program(&program).args(usual).args(arguments).args([page]))
}

/// Takes a picture of a page in a file.
///
/// # Errors
///
/// If there is no browser, or it takes no picture.
pub fn screenshot(workspace: &Workspace, page: &Utf8Path, picture: &Utf8Path) -> Result<()> {
    let file = format!("--screenshot={picture}");
    let page = format!("file://{page}");
    chromium(workspace, &page, &["--window-size=1200,760", &file])?.quietly().run()?;
    ensure!(picture.is_file(), "Chromium has made no {picture}");
    Ok(())
}

/// Opens a page, and returns its HTML after its scripts have run.
///
/// # Errors
///
/// If there is no browser, or it cannot open the page.
pub fn document(workspace: &Workspace, page: &Utf8Path) -> Result<String> {
    let page = format!("file://{page}");
    chromium(workspace, &page, &["--dump-dom"])?.quietly().read().context("Chromium has failed")
}
