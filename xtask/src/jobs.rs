//! Jobs that run one after the other, even if some of them fail.

use std::time::Instant;

use anyhow::{Result, anyhow};

use crate::ci::report::{Outcome, Report};

pub struct Job<'a> {
    pub name: &'static str,
    /// A description, which is printed before the job runs.
    pub about: String,
    /// Runs the job. Returns a summary in a few words.
    pub run: Box<dyn Fn() -> Result<String> + 'a>,
}

/// Runs all jobs. `heading` names their kind, and `task` is the task of `cargo xtask` that runs them.
pub fn run_all<'a>(
    heading: &'static str,
    task: &str,
    jobs: impl IntoIterator<Item = Job<'a>>,
) -> (Report, Result<()>) {
    let mut report = Report::of(heading);
    let mut failed = Vec::new();
    for Job { name, about, run } in jobs {
        eprintln!("\n== {name}: {about}");
        let start = Instant::now();
        let result = run();
        let time = start.elapsed();
        match result {
            Ok(note) => {
                println!("{name}: passed: {note}");
                report.add(name, Outcome::Passed(time), note);
            }
            Err(error) => {
                println!("{name}: FAILED: {error:#}");
                report.add(name, Outcome::Failed(time), first_line(&format!("{error:#}")));
                failed.push(name);
            }
        }
    }
    failed.dedup();
    let names = failed.join(" ");
    let result = match failed[..] {
        [] => Ok(()),
        _ => Err(anyhow!("failed: {names}; to run again: `cargo xtask {task} {names}`")),
    };
    (report, result)
}

/// Returns the first line, because a long message would stretch the table.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &'static str, result: Result<&'static str, &'static str>) -> Job<'static> {
        let run = move || result.map(str::to_owned).map_err(|error| anyhow!(error));
        Job { name, about: String::new(), run: Box::new(run) }
    }

    #[test]
    fn one_that_fails_keeps_none_from_running() {
        let failing = || job("two", Err("the reason\nand more"));
        let jobs = [job("one", Ok("done")), failing(), failing(), job("three", Ok("done"))];
        let (report, result) = run_all("thing", "things", jobs);
        let outcomes: Vec<_> = report.outcomes().collect();
        assert!(matches!(
            outcomes[..],
            [Outcome::Passed(_), Outcome::Failed(_), Outcome::Failed(_), Outcome::Passed(_)]
        ));
        let error = result.unwrap_err().to_string();
        assert_eq!(error, "failed: two; to run again: `cargo xtask things two`");
        let table = report.to_string();
        assert!(table.contains("the reason") && !table.contains("and more"), "{table}");
    }

    #[test]
    fn if_all_pass_that_is_a_success() {
        let jobs = ["one", "two"].map(|name| job(name, Ok("done")));
        assert!(run_all("thing", "things", jobs).1.is_ok());
    }
}
