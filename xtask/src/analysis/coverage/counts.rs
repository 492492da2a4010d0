//! Lines, regions and branches of each file, and which of them the tests ran.
//!
//! A generic function is compiled for each of its types. What any of these runs counts as run: so
//! they are put together by where in the source they are.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::Utf8Path;
use serde_json::Value;

/// What is known of each file, by its path below the folder.
pub struct Counts(pub BTreeMap<String, File>);

/// How often each line, region and way out of a branch was run.
#[derive(Default)]
pub struct File {
    pub lines: BTreeMap<u64, u64>,
    pub regions: BTreeMap<Place, u64>,
    pub branches: BTreeMap<(Place, bool), u64>,
}

/// A piece of source: its first line and column, and its last.
type Place = [u64; 4];

/// The kind of regions that are code.
const CODE: u64 = 0;

impl Counts {
    /// Reads both exports of `llvm-cov`, of which neither has everything, as far as they are about
    /// code of files in `folder`; tests are not.
    pub fn read(json: &str, lcov: &str, folder: &Utf8Path) -> Result<Self> {
        let mut counts = Self(BTreeMap::new());
        counts.read_lines(lcov, folder)?;
        counts.read_functions(&serde_json::from_str(json)?, folder)?;
        for (path, file) in &mut counts.0 {
            let source = fs::read_to_string(folder.join(path)).with_context(|| path.clone())?;
            file.leave_out_from(tests_from(&source));
            if is_for_tests(&folder.join(path)) {
                *file = File::default();
            }
        }
        counts.0.retain(|_, file| !file.lines.is_empty());
        ensure!(!counts.0.is_empty(), "no code of {folder} was run");
        Ok(counts)
    }

    fn file(&mut self, path: &str, folder: &Utf8Path) -> Option<&mut File> {
        let path = Utf8Path::new(path).strip_prefix(folder).ok()?;
        let is_test = path.components().any(|part| part.as_str() == "tests");
        (!is_test).then(|| self.0.entry(path.to_string()).or_default())
    }

    /// Lines of an lcov trace: `SF:path`, then `DA:line,count`.
    fn read_lines(&mut self, lcov: &str, folder: &Utf8Path) -> Result<()> {
        let mut path = "";
        for entry in lcov.lines() {
            if let Some(file) = entry.strip_prefix("SF:") {
                path = file;
            } else if let Some(entry) = entry.strip_prefix("DA:") {
                let (line, count) = entry.split_once(',').context("DA without a count")?;
                if let Some(file) = self.file(path, folder) {
                    *file.lines.entry(line.parse()?).or_default() += count.parse::<u64>()?;
                }
            }
        }
        Ok(())
    }

    /// The functions of the other export, each with its regions and branches.
    fn read_functions(&mut self, export: &Value, folder: &Utf8Path) -> Result<()> {
        let functions = export["data"][0]["functions"].as_array().context("no functions")?;
        for function in functions {
            let path = function["filenames"][0].as_str().context("a function without a file")?;
            let Some(file) = self.file(path, folder) else { continue };
            for region in numbers(&function["regions"])? {
                let [a, b, c, d, count, _, _, kind] = region[..] else { continue };
                if kind == CODE {
                    *file.regions.entry([a, b, c, d]).or_default() += count;
                }
            }
            for branch in numbers(&function["branches"])? {
                let [a, b, c, d, taken, not_taken, ..] = branch[..] else { continue };
                for (way, count) in [(true, taken), (false, not_taken)] {
                    *file.branches.entry(([a, b, c, d], way)).or_default() += count;
                }
            }
        }
        Ok(())
    }
}

impl File {
    /// Forgets what is at a line or below.
    fn leave_out_from(&mut self, line: u64) {
        self.lines.retain(|at, _| *at < line);
        self.regions.retain(|place, _| place[0] < line);
        self.branches.retain(|(place, _), _| place[0] < line);
    }
}

/// Whether the module that a file is belongs to another one only when that is tested.
fn is_for_tests(path: &Utf8Path) -> bool {
    let parent = fs::read_to_string(path.with_file_name("mod.rs")).unwrap_or_default();
    parent.contains(&format!("#[cfg(test)]\nmod {};", path.file_stem().unwrap_or_default()))
}

/// The line from which on a file has only tests: modules of them are its last part.
fn tests_from(source: &str) -> u64 {
    let mut lines = (1..).zip(source.lines()).peekable();
    while let Some((number, line)) = lines.next() {
        let module = |next: &(u64, &str)| next.1.starts_with("mod tests {");
        if line == "#[cfg(test)]" && lines.peek().is_some_and(module) {
            return number;
        }
    }
    u64::MAX
}

/// An array of arrays of numbers; anything else in it is zero.
fn numbers(value: &Value) -> Result<Vec<Vec<u64>>> {
    let rows = value.as_array().context("not an array")?;
    let row = |row: &Value| {
        let cells = row.as_array().context("not an array")?;
        Ok(cells.iter().map(|cell| cell.as_u64().unwrap_or_default()).collect())
    };
    rows.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_all_instances_are_put_together() {
        let mut counts = Counts(BTreeMap::new());
        let lcov = "SF:/p/a.rs\nDA:1,0\nDA:2,3\nend_of_record\n\
                    SF:/p/tests/b.rs\nDA:1,1\nSF:/q/c.rs\nDA:1,1\nSF:/p/a.rs\nDA:1,4\n";
        counts.read_lines(lcov, Utf8Path::new("/p")).unwrap();
        assert_eq!(counts.0.keys().collect::<Vec<_>>(), ["a.rs"]);
        assert_eq!(counts.0["a.rs"].lines, [(1, 4), (2, 3)].into());
    }

    #[test]
    fn regions_and_branches_of_all_instances_are_put_together() {
        let export = serde_json::json!({"data": [{"functions": [
            {"filenames": ["/p/a.rs"], "regions": [[1, 1, 2, 3, 0, 0, 0, 0], [9, 1, 9, 2, 0, 0, 0, 3]],
             "branches": [[1, 2, 1, 3, 5, 0, 0, 0, 4]]},
            {"filenames": ["/p/a.rs"], "regions": [[1, 1, 2, 3, 7, 0, 0, 0]],
             "branches": [[1, 2, 1, 3, 1, 0, 0, 0, 4]]},
        ]}]});
        let mut counts = Counts(BTreeMap::new());
        counts.read_functions(&export, Utf8Path::new("/p")).unwrap();
        let file = &counts.0["a.rs"];
        assert_eq!(file.regions, [([1, 1, 2, 3], 7)].into());
        let place = [1, 2, 1, 3];
        assert_eq!(file.branches, [((place, false), 0), ((place, true), 6)].into());
    }

    #[test]
    fn tests_at_the_end_of_a_file_are_left_out() {
        assert_eq!(tests_from("fn f() {}\n\n#[cfg(test)]\nmod tests {\n}\n"), 3);
        assert_eq!(tests_from("#[cfg(test)]\nfn f() {}\n"), u64::MAX);
    }
}
