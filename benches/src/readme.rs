//! Pages with results, and the tables that this program writes into them.

use crate::report;
use anyhow::{Context, Result};
use std::{fs, path::Path};

/// The mark before a table: `<!-- results: NAME -->`.
const BEGIN: (&str, &str) = ("<!-- results: ", " -->\n");

/// The mark after a table.
const END: &str = "<!-- end of results -->";

/// The pages with results: benchmarks, locks, levels of checks, and the README of the project.
const PAGES: [&str; 4] =
    ["README.md", "../crates/talloc-sync/README.md", "../crates/HARDENING.md", "../README.md"];

/// Writes the tables of the last runs, `results/NAME.md`, between their marks on all pages.
///
/// # Errors
/// If a file cannot be read or written, or a mark has no partner.
pub fn fill() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    PAGES.iter().try_for_each(|page| fill_page(&folder.join(page)))
}

fn fill_page(page: &Path) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let results = |name: &str| {
        let path = report::folder().join(format!("{name}.md"));
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let filled = replace(&text, results)?;
    fs::write(page, filled).with_context(|| page.display().to_string())
}

/// Replaces the text between the marks.
fn replace(text: &str, results: impl Fn(&str) -> Result<String>) -> Result<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN.0) {
        let (name, after) = after.split_once(BEGIN.1).context("a marker does not end")?;
        let (_, after) =
            after.split_once(END).with_context(|| format!("no {END:?} after {name}"))?;
        filled +=
            &[before, BEGIN.0, name, BEGIN.1, "\n", results(name)?.trim(), "\n\n", END].concat();
        rest = after;
    }
    Ok(filled + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_put_between_their_markers() {
        let page = "a\n<!-- results: x -->\nold\n<!-- end of results -->\nb\n\
            <!-- results: y -->\n<!-- end of results -->\n";
        let fill = |text: &str| replace(text, |name| Ok(format!("table {name}\n")));
        let filled = fill(page).unwrap();
        assert_eq!(
            filled,
            "a\n<!-- results: x -->\n\ntable x\n\n<!-- end of results -->\nb\n\
             <!-- results: y -->\n\ntable y\n\n<!-- end of results -->\n"
        );
        assert_eq!(fill(&filled).unwrap(), filled);
    }

    #[test]
    fn a_marker_without_a_partner_or_a_table_is_an_error() {
        assert!(replace("<!-- results: x -->\n", |_| Ok(String::new())).is_err());
        assert!(replace("<!-- results: x", |_| Ok(String::new())).is_err());
        let page = "<!-- results: x -->\n<!-- end of results -->";
        assert!(replace(page, |_| anyhow::bail!("no table")).is_err());
    }
}
