//! Runs of targets, and their results.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result};
use cargo_metadata::camino::Utf8Path;

use super::Folders;

/// The longest input, in bytes: several hundred operations.
const LEN: usize = 2048;

/// An input that takes so many seconds fails.
const TIMEOUT: usize = 120;

/// A target to run.
pub struct Campaign<'a> {
    pub binary: &'a Utf8Path,
    pub target: &'a str,
    pub folders: &'a Folders,
}

/// The result of a target.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    target: String,
    executions: u64,
    per_second: u64,
    /// The most that one process has seen.
    edges: u64,
    features: u64,
    /// Files of the working corpus.
    files: usize,
    /// The inputs that failed.
    crashes: Vec<String>,
    /// How many processes failed, perhaps without an input to blame.
    failed: usize,
}

impl Campaign<'_> {
    /// Runs the target in `jobs` processes, which learn of each other's inputs.
    pub fn run(&self, seconds: u64, jobs: usize) -> Result<Summary> {
        let runs = thread::scope(|scope| {
            let start = |job| scope.spawn(move || self.run_one(seconds, job));
            let running: Vec<_> = (0..jobs).map(start).collect();
            let joined = running.into_iter().map(|run| run.join().expect("no thread panics"));
            joined.collect::<Result<Vec<_>>>()
        })?;
        let mut summary = Summary { target: self.target.to_owned(), ..Summary::default() };
        for run in runs {
            summary.add(run);
        }
        summary.files = std::fs::read_dir(&self.folders.working)?.count();
        for crash in &summary.crashes {
            println!("\nfailed: {crash}\nto see the shortest script that fails like it:");
            println!("    cargo run -p talloc-fuzz --bin replay -- {} {crash}", self.target);
        }
        Ok(summary)
    }

    /// Runs one process to its end. Its output goes to a log, and the important lines are printed.
    fn run_one(&self, seconds: u64, job: usize) -> Result<Summary> {
        let log = self.folders.scratch.join(format!("{job}.log"));
        let mut file = File::create(&log).with_context(|| format!("cannot create {log}"))?;
        let mut command = Command::new(self.binary);
        command
            .arg(format!("-max_total_time={seconds}"))
            .args([format!("-max_len={LEN}"), format!("-timeout={TIMEOUT}")])
            .args(["-print_final_stats=1", "-reload=5"])
            .arg(format!("-artifact_prefix={}/", self.folders.artifacts))
            .args([&self.folders.working, &self.folders.kept])
            .env("ASAN_OPTIONS", "detect_odr_violation=0:quarantine_size_mb=8");
        eprintln!("$ {command:?} 2> {log}");
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut summary = Summary::default();
        let output = child.stderr.take().context("the standard error is piped")?;
        for line in BufReader::new(output).lines() {
            let line = line?;
            writeln!(file, "{line}")?;
            if summary.read(&line) {
                println!("{} {job}: {line}", self.target);
            }
        }
        summary.failed += usize::from(!child.wait()?.success());
        Ok(summary)
    }
}

impl Summary {
    pub fn crashed(&self) -> bool {
        self.failed > 0
    }

    /// The cells of a row.
    pub fn cells(&self) -> [String; 7] {
        let outcome = if self.crashed() { "FAILED" } else { "passed" };
        let numbers = [self.executions, self.per_second, self.edges, self.features];
        let [executions, per_second, edges, features] = numbers.map(|number| number.to_string());
        let (files, outcome) = (self.files.to_string(), outcome.to_owned());
        [self.target.clone(), executions, per_second, edges, features, files, outcome]
    }

    /// Adds what another process did.
    fn add(&mut self, other: Self) {
        self.executions += other.executions;
        self.per_second += other.per_second;
        self.edges = self.edges.max(other.edges);
        self.features = self.features.max(other.features);
        self.crashes.extend(other.crashes);
        self.failed += other.failed;
    }

    /// Reads a line of libFuzzer's output. Returns whether to print it.
    fn read(&mut self, line: &str) -> bool {
        if let Some(edges) = number_after(line, "cov: ") {
            self.edges = edges;
            self.features = number_after(line, "ft: ").unwrap_or(self.features);
            return ["INITED", "pulse", "DONE"].iter().any(|word| line.contains(word));
        }
        if let Some((_, input)) = line.split_once("Test unit written to ") {
            // One that is merely slow does not end the process.
            let failed = !input.contains("/slow-unit-");
            self.crashes.extend(failed.then(|| input.to_owned()));
            return false;
        }
        let executions = number_after(line, "stat::number_of_executed_units: ");
        let per_second = number_after(line, "stat::average_exec_per_sec: ");
        self.executions = executions.unwrap_or(self.executions);
        self.per_second = per_second.unwrap_or(self.per_second);
        line.contains("ERROR: ") || line.contains("panicked at")
    }
}

/// The number that follows a word in a line.
fn number_after(line: &str, word: &str) -> Option<u64> {
    let (_, rest) = line.split_once(word)?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that libFuzzer writes.
    const LINES: [&str; 7] = [
        "#5\tINITED cov: 2622 ft: 2832 corp: 4/1024b exec/s: 0 rss: 50Mb",
        "#1456\tDONE   cov: 4456 ft: 13030 corp: 237/64Kb lim: 256 exec/s: 91 rss: 911Mb",
        "stat::number_of_executed_units: 1456",
        "stat::average_exec_per_sec:     91",
        "artifact_prefix='a/'; Test unit written to a/slow-unit-4567",
        "artifact_prefix='a/'; Test unit written to a/crash-0123",
        "NEW_FUNC[1/2]: 0x55 in main",
    ];

    #[test]
    fn what_libfuzzer_writes_is_understood() {
        let mut summary = Summary::default();
        let shown = LINES.map(|line| summary.read(line));
        assert_eq!(shown, [true, true, false, false, false, false, false]);
        assert_eq!((summary.executions, summary.per_second), (1456, 91));
        assert_eq!((summary.edges, summary.features), (4456, 13030));
        assert_eq!(summary.crashes, ["a/crash-0123"]);
    }

    /// A program that behaves like a target whose input fails.
    #[cfg(unix)]
    const FAILING: &str = "#!/bin/sh\necho 'Test unit written to somewhere/crash-0' >&2\nexit 77\n";

    #[cfg(unix)]
    #[test]
    fn a_crash_is_a_failure_that_names_the_input() {
        use std::os::unix::fs::PermissionsExt;

        use cargo_metadata::camino::Utf8PathBuf;

        let folder = std::env::temp_dir().join(format!("xtask-campaign-{}", std::process::id()));
        let folder = Utf8PathBuf::from_path_buf(folder).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        let [kept, working, artifacts, scratch] = [(); 4].map(|()| folder.clone());
        let folders = Folders { kept, working, artifacts, scratch };
        let binary = folder.join("target");
        std::fs::write(&binary, FAILING).unwrap();
        std::fs::set_permissions(&binary, PermissionsExt::from_mode(0o755)).unwrap();
        let campaign = Campaign { binary: &binary, target: "heap", folders: &folders };
        let summary = campaign.run(1, 2).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!((summary.failed, summary.crashed()), (2, true));
        assert_eq!(summary.crashes, ["somewhere/crash-0"; 2]);
        assert_eq!(summary.cells()[6], "FAILED");
    }

    #[test]
    fn what_processes_do_adds_up() {
        let mut one = Summary { executions: 2, edges: 7, ..Summary::default() };
        one.add(Summary { executions: 3, edges: 5, failed: 1, ..Summary::default() });
        assert_eq!((one.executions, one.edges, one.crashed()), (5, 7, true));
    }
}
