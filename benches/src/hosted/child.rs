//! A separate process for each measurement: this program again, with its `child` command.
//!
//! The child answers with lines of numbers.

use anyhow::{Context, Result, bail, ensure};
use std::{
    ffi::CStr,
    fmt::Write as _,
    hint::black_box,
    path::Path,
    process::{Command, Stdio},
};

/// The environment variable that names the heap of this program itself.
pub const VARIABLE: &CStr = c"TALLOC_BENCHES_HEAP";

/// The value of that variable for a child: a heap in a static array, which is not measured.
const HEAP: &str = "talc5";

/// Runs the program's `child` command with these arguments. Returns a record for each line of the answer.
///
/// # Errors
///
/// If the command fails, or its answer has another format.
pub fn ask<const N: usize>(program: &Path, arguments: &[String]) -> Result<Vec<[f64; N]>> {
    let output = Command::new(program)
        .arg("child")
        .args(arguments)
        .env(VARIABLE.to_str()?, HEAP)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| program.display().to_string())?;
    let context = || format!("child {}", arguments.join(" "));
    if !output.status.success() {
        bail!("{}: {}", context(), output.status);
    }
    parse(&String::from_utf8(output.stdout)?).with_context(context)
}

/// Answers with records.
pub fn answer<const N: usize>(records: &[[f64; N]]) {
    print!("{}", show(records));
}

/// Makes all memory resident that the child itself is going to need, so that it is not counted.
pub fn prepare() {
    const ENOUGH: usize = 16 << 20;
    drop(black_box(vec![1_u8; ENOUGH]));
}

fn show<const N: usize>(records: &[[f64; N]]) -> String {
    let mut text = String::new();
    for record in records {
        for number in record {
            let _ = write!(text, "{number} ");
        }
        text.push('\n');
    }
    text
}

fn parse<const N: usize>(answer: &str) -> Result<Vec<[f64; N]>> {
    let record = |line: &str| {
        let numbers = line.split_whitespace().map(str::parse);
        let numbers = numbers.collect::<Result<Vec<f64>, _>>().context("not a number")?;
        let record = numbers.try_into().ok().with_context(|| format!("not {N} numbers"))?;
        anyhow::Ok(record)
    };
    let records = answer
        .lines()
        .map(|line| record(line).with_context(|| line.to_owned()))
        .collect::<Result<Vec<_>>>()?;
    ensure!(!records.is_empty(), "no answer");
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_back() {
        let records = [[0.1, 1e-9], [f64::INFINITY, 3.0]];
        assert_eq!(parse::<2>(&show(&records)).unwrap(), records);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in ["", "1 2\n3\n", "1 2 3\n", "1 x\n"] {
            assert!(parse::<2>(text).is_err(), "{text:?}");
        }
    }
}
