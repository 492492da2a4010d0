//! `walkthroughs`: runs the commands of the walkthroughs unchanged, and checks their output.
//!
//! A walkthrough is a page in `crates/talloc-cli/walkthroughs`. Its `sh` blocks are run at the workspace's root, with the
//! workspace's `talloc` first in the path. A `text` block shows lines that the commands before it must print, in that
//! order, apart from numbers. A picture is made from a file that the commands have left in [`RESULTS`].

mod page;
mod pictures;

use anyhow::{Result, ensure};
use clap::builder::PossibleValuesParser;

use crate::jobs::{self, Job};
use crate::workspace::{TOOL, Workspace};
use page::{Page, Part};

/// The folder of the pages.
const FOLDER: &str = "crates/talloc-cli/walkthroughs";

/// The folder in which the commands leave files for pictures.
const RESULTS: &str = "target/walkthroughs";

const NAMES: [&str; 3] = ["arena-size", "fragmentation", "leak"];

#[derive(clap::Args)]
#[command(after_help = "\
The walkthroughs need Go and graphviz for pprof; pictures of pages need Chromium: on Debian, \
golang-go, graphviz and chromium.")]
pub struct Args {
    /// Run only these.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(NAMES))]
    names: Vec<String>,
    /// Make the pages' pictures again.
    #[arg(long)]
    pictures: bool,
}

/// Runs all walkthroughs. The files that the examples leave must exist already.
pub fn check(workspace: &Workspace) -> Result<()> {
    run(workspace, &Args { names: vec![], pictures: false })
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    workspace.cargo(["build", "--quiet", "-p", TOOL]).run()?;
    let asked_for = |name: &&str| args.names.is_empty() || args.names.iter().any(|n| n == name);
    let job = |name: &'static str| Job {
        name,
        about: "the commands print what it says".to_owned(),
        run: Box::new(move || run_one(workspace, name, args.pictures)),
    };
    let names = NAMES.into_iter().filter(asked_for);
    let (report, result) = jobs::run_all("walkthrough", "walkthroughs", names.map(job));
    println!("\n{report}");
    result
}

fn run_one(workspace: &Workspace, name: &str, pictures: bool) -> Result<String> {
    let page = Page::read(&workspace.root().join(FOLDER).join(name).with_extension("md"))?;
    let mut printed = String::new();
    let mut commands = 0;
    for part in &page.parts {
        match part {
            Part::Commands(text) => {
                let script = format!("PATH='{}':$PATH\n{text}", workspace.target().join("debug"));
                let shell = workspace.cmd("bash").args(["-euo", "pipefail", "-c", &script]);
                let ran = shell.run_reading_all()?;
                ensure!(
                    ran.code == Some(0),
                    "these commands have ended with {:?}:\n{text}",
                    ran.code
                );
                printed = ran.text;
                commands += 1;
            }
            Part::Output(lines) => page::check_output(lines, &printed)?,
        }
    }
    ensure!(commands > 0, "{name} has no commands");
    for picture in &page.pictures {
        if pictures {
            pictures::make(workspace, picture)?;
        }
        pictures::check(workspace, picture)?;
    }
    Ok(format!("{commands} blocks of commands, {} pictures", page.pictures.len()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_page_is_run_and_each_picture_is_in_a_page() {
        let workspace = Workspace::load().unwrap();
        let folder = workspace.root().join(FOLDER);
        let names = |folder, extensions: &[&str]| -> BTreeSet<String> {
            let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
            let with = |file: &std::path::PathBuf| {
                file.extension().is_some_and(|found| extensions.iter().any(|e| found == *e))
            };
            let name =
                |file: std::path::PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
            files.filter(with).map(name).collect()
        };
        let pages = NAMES.map(|name| format!("{name}.md"));
        assert_eq!(names(folder.clone(), &["md"]), pages.iter().cloned().collect());

        let mut shown = BTreeSet::new();
        for page in pages {
            let page = Page::read(&folder.join(page)).unwrap();
            assert!(!page.pictures.is_empty(), "a page shows its result");
            for picture in page.pictures {
                pictures::check_committed(&workspace, &picture).unwrap();
                shown.insert(picture);
            }
        }
        assert_eq!(names(folder.join("pictures"), &["svg", "png"]), shown);
    }
}
