//! The cost of talloc's `malloc`, in instructions of programs that valgrind counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use super::recipe::install;
use crate::tools;

/// A program that does the same each time, in one process, and allocates much.
struct Workload {
    program: &'static str,
    package: &'static str,
    /// Arguments that make the program print its path, if its name may find a script instead.
    ask: Option<&'static [&'static str]>,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    /// The last argument is the name of this file.
    script: (&'static str, &'static str),
}

const WORKLOADS: [Workload; 3] = [
    Workload {
        program: "sqlite3",
        package: "sqlite3",
        ask: None,
        arguments: &[":memory:", "-init"],
        environment: &[],
        script: ("small.sql", include_str!("scripts/small.sql")),
    },
    Workload {
        program: "perl",
        package: "perl",
        ask: None,
        arguments: &[],
        environment: &[("PERL_HASH_SEED", "0"), ("PERL_PERTURB_KEYS", "0")],
        script: ("words.pl", include_str!("scripts/words.pl")),
    },
    Workload {
        program: "python3",
        package: "python3",
        ask: Some(&["-c", "import sys; print(sys.executable)"]),
        arguments: &["-I", "-S"],
        environment: &[("PYTHONMALLOC", "malloc")],
        script: ("objects.py", include_str!("scripts/objects.py")),
    },
];

/// The programs, in the order of [`count`].
pub fn names() -> impl Iterator<Item = &'static str> {
    WORKLOADS.iter().map(|workload| workload.program)
}

/// Instructions of each program, with a library preloaded or without.
///
/// # Errors
///
/// If a program or valgrind is missing or fails.
pub fn count(place: &Utf8Path, library: Option<&Utf8Path>) -> Result<Vec<u64>> {
    fs::create_dir_all(place)?;
    WORKLOADS.iter().map(|workload| workload.count(place, library)).collect()
}

impl Workload {
    fn find(&self) -> Result<PathBuf> {
        let found = tools::require(self.program, &install(self.package))?;
        let Some(ask) = self.ask else { return Ok(found) };
        let said = Command::new(&found).args(ask).output()?;
        let path = PathBuf::from(String::from_utf8(said.stdout)?.trim());
        ensure!(path.is_file(), "{} does not say where it is", found.display());
        Ok(path)
    }

    fn count(&self, place: &Utf8Path, library: Option<&Utf8Path>) -> Result<u64> {
        let program = self.find()?;
        let valgrind = tools::require("valgrind", &install("valgrind"))?;
        let counts = place.join("counts");
        let output = self.run(place, library, Some((&valgrind, &counts)), &program)?;
        let plain = self.run(place, None, None, &program)?;
        ensure!(output.stdout == plain.stdout, "{} prints something else", self.program);
        ensure!(!plain.stdout.is_empty(), "{} prints nothing", self.program);
        total(&fs::read_to_string(&counts)?)
    }

    /// Runs the program, under valgrind if there is one, which writes its counts to a file.
    fn run(
        &self,
        place: &Utf8Path,
        library: Option<&Utf8Path>,
        counted: Option<(&Path, &Utf8PathBuf)>,
        program: &Path,
    ) -> Result<Output> {
        let (name, text) = self.script;
        fs::write(place.join(name), text)?;
        let mut command = match counted {
            None => Command::new(program),
            Some((valgrind, counts)) => {
                let mut command = Command::new(valgrind);
                command.args(["--tool=callgrind", &format!("--callgrind-out-file={counts}")]);
                command.arg(program);
                command
            }
        };
        command.args(self.arguments).arg(name).current_dir(place);
        command.envs(self.environment.iter().copied()).envs(library.map(|it| ("LD_PRELOAD", it)));
        command.stdin(std::process::Stdio::null());
        let output = command.output().with_context(|| format!("{} cannot run", self.program))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} has failed: {said}", self.program);
        Ok(output)
    }
}

/// Reads the sum from a file of callgrind's.
///
/// # Errors
///
/// If there is none.
pub fn total(text: &str) -> Result<u64> {
    let mut sums = text.lines().filter_map(|line| line.strip_prefix("totals: "));
    let sum = sums.next().context("there is no sum in what callgrind has written")?;
    sum.trim().parse().with_context(|| format!("`{sum}` is no number of instructions"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_read_or_missed() {
        assert_eq!(total("version: 1\n16 3\ntotals: 4711\n").unwrap(), 4711);
        assert!(total("version: 1\n16 3\n").is_err());
        assert!(total("totals: many\n").is_err());
    }
}
