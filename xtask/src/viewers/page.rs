//! The page of `talloc map`, in a browser.
//!
//! A copy of the page has a script at its end that moves the slider, zooms, and points at a block. After each step, it
//! records the text of the page.

use std::fs;

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::Utf8Path;

use super::{Counted, grouped, in_units, shows, without_tags};
use crate::browser;
use crate::workspace::Workspace;

const USE_PAGE: &str = include_str!("use_page.js");

/// Texts in a page that would make the browser load other files.
const OUTSIDE: [&str; 3] = ["<script src", "<link", "<img"];

/// Uses a page that was made from the trace, and compares its texts with the numbers.
pub fn open(workspace: &Workspace, file: &Utf8Path, counted: &Counted) -> Result<String> {
    let page = fs::read_to_string(file)?;
    for part in OUTSIDE {
        ensure!(!page.contains(part), "the page is not self-contained: it has {part}");
    }
    let used = file.with_file_name("used.html");
    let (before, after) = page.rsplit_once("</body>").context("the page has no end")?;
    fs::write(&used, format!("{before}<script>{USE_PAGE}</script></body>{after}"))?;
    let shown = without_tags(&browser::document(workspace, &used)?);
    // The scripts themselves are texts, too.
    let (_, said) = shown.rsplit_once("opened: ").context("the page's script did not run")?;
    check(&format!("opened: {said}"), counted)
}

/// Checks the text of the page after each step.
fn check(said: &str, counted: &Counted) -> Result<String> {
    let at = |step: &str| {
        let mut lines = said.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(name, _)| *name == step);
        found.map(|(_, text)| text).with_context(|| format!("there is no step {step} in:\n{said}"))
    };
    let live =
        |bytes, objects| vec![format!("{} live, {} blocks drawn", binary(bytes), grouped(objects))];
    let peak = shows(at("opened")?, &live(counted.peak_bytes, counted.peak_objects))?;
    shows(at("last")?, &live(counted.live_bytes, counted.live_objects))?;
    shows(at("hover")?, &[at("hovered")?.to_owned(), "allocated by event ".to_owned()])?;
    ensure!(at("zoomed")? != at("opened")?, "the wheel does not zoom: {}", at("zoomed")?);
    ensure!(at("reset")? == at("opened")?, "the zoom is not reset: {}", at("reset")?);
    Ok(format!("{peak}; slider, zoom and hover work"))
}

/// Bytes as the page prints them.
fn binary(bytes: u64) -> String {
    in_units(bytes, 1024.0, [" B", " KiB", " MiB", " GiB"])
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTED: Counted = Counted {
        calls: 9,
        bytes: 9000,
        peak_bytes: 2048,
        peak_objects: 3,
        live_objects: 1,
        live_bytes: 7,
    };

    const SAID: &str = "opened: After event 5 of 9: 2.00 KiB live, 3 blocks drawn. Shown: 4.00 KiB
hover: 0x10 16 bytes allocated by event 2, 3 events ago
hovered: 0x10 16 bytes
zoomed: After event 5 of 9: 2.00 KiB live, 3 blocks drawn. Shown: 3.20 KiB
reset: After event 5 of 9: 2.00 KiB live, 3 blocks drawn. Shown: 4.00 KiB
last: After event 8 of 9: 7 B live, 1 blocks drawn. Shown: 4.00 KiB";

    #[test]
    fn a_page_that_works_passes() {
        check(SAID, &COUNTED).unwrap();
    }

    #[test]
    fn each_part_that_does_not_work_is_an_error() {
        let wrong = [
            ("3 blocks", "0 blocks"),
            ("7 B live", "2.00 KiB live"),
            ("0x10 16 bytes allocated", "0x18 free allocated"),
            ("3.20 KiB", "4.00 KiB"),
            ("reset: After event 5", "reset: After event 6"),
            ("zoomed: ", ""),
        ];
        for (right, wrong) in wrong {
            assert!(check(&SAID.replace(right, wrong), &COUNTED).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_are_as_the_page_prints_them() {
        assert_eq!([7, 2048, 3 << 19].map(binary), ["7 B", "2.00 KiB", "1.50 MiB"]);
    }
}
