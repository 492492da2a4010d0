//! A process between this process and a measured program.
//!
//! The reported size of a process is at least that of its parent, and this process may be large. The launcher is a new,
//! small process of this program, which does nothing else.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::camino::Utf8PathBuf;

use super::{Measured, own_peak, run};

/// The first argument of this program when it is to be the launcher.
const ASKED_FOR: &str = "--launch";

pub struct Launcher {
    /// A file that it writes.
    pub report: Utf8PathBuf,
    /// The time limit of the program.
    pub patience: Duration,
}

/// What the launcher reports.
#[derive(Debug, PartialEq)]
pub struct Launched {
    pub measured: Measured,
    /// The size of the launcher in KiB. Smaller programs cannot be measured.
    pub least: u64,
}

impl Launcher {
    /// Returns a command that runs a program. The caller adds the arguments.
    ///
    /// # Errors
    ///
    /// If this program cannot be found.
    pub fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        let patience = self.patience.as_millis().to_string();
        command.args([ASKED_FOR, self.report.as_str(), &patience, program]);
        Ok(command)
    }

    /// Runs a command of [`command`](Self::command).
    ///
    /// # Errors
    ///
    /// If the program cannot be started, or does not end in time.
    pub fn run(&self, command: &mut Command) -> Result<Launched> {
        let status = command.status().context("the launcher cannot be started")?;
        ensure!(status.success(), "the launcher has failed");
        parse(&fs::read_to_string(&self.report)?)
    }
}

/// Runs the launcher and returns its result, if this process is the launcher.
pub fn main() -> Option<Result<()>> {
    let mut arguments = env::args_os().skip(1);
    (arguments.next()? == ASKED_FOR).then(|| launch(&arguments.collect::<Vec<_>>()))
}

fn launch(arguments: &[OsString]) -> Result<()> {
    let [report, patience, program, arguments @ ..] = arguments else {
        bail!("the launcher is for this program only");
    };
    let patience = patience.to_str().and_then(|text| text.parse().ok());
    let patience = Duration::from_millis(patience.context("that is no time to wait")?);
    let measured = run(Command::new(program).args(arguments), patience)?;
    fs::write(PathBuf::from(report), format(&Launched { measured, least: own_peak()? }))?;
    Ok(())
}

fn format(launched: &Launched) -> String {
    let Measured { status, time, peak } = launched.measured;
    format!("{status} {} {peak} {}", time.as_nanos(), launched.least)
}

fn parse(report: &str) -> Result<Launched> {
    let numbers: Option<Vec<i64>> = report.split(' ').map(|number| number.parse().ok()).collect();
    let Some(&[status, time, peak, least]) = numbers.as_deref() else {
        bail!("`{report}` is no report of the launcher");
    };
    let measured = Measured {
        status: i32::try_from(status)?,
        time: Duration::from_nanos(u64::try_from(time)?),
        peak: u64::try_from(peak)?,
    };
    Ok(Launched { measured, least: u64::try_from(least)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reported_is_read_or_missed() {
        let measured = Measured { status: 0x300, time: Duration::from_nanos(12), peak: 5000 };
        let launched = Launched { measured, least: 3000 };
        assert_eq!(parse(&format(&launched)).unwrap(), launched);
        assert!(parse("").is_err());
        assert!(parse("0 12 5000").is_err());
        assert!(parse("0 -12 5000 3000").is_err());
    }
}
