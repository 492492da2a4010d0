//! The program of `xtask/exercise`, on a machine without an operating system.
//!
//! It must end with status 0 and report that it has passed. The same program also tests the check itself: when it is asked
//! to do something wrong, it must end with status 1 and report the error.

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::Utf8PathBuf;

use super::qemu::{self, Board, Clock};
use super::{number_before, program};
use crate::cmd::{Cmd, Ran};
use crate::workspace::Workspace;

const PROGRAM: &str = "talloc-exercise";

/// The deliberate errors, and the expected reports.
const FAULTS: [(&str, &str); 2] =
    [("overwrite", ": overwritten"), ("leak", " bytes should be used: ")];

/// Deliberate errors on machines with a timer.
const TIMER_FAULTS: [(&str, &str); 1] = [("silence", "the timer does not interrupt")];

pub struct Machine {
    pub runner: Runner,
    pub has_timer: bool,
}

pub enum Runner {
    Native,
    Node,
    Qemu(Board),
}

impl Runner {
    /// The package that it comes with.
    pub fn package(&self) -> &'static str {
        match self {
            Self::Native => "coreutils",
            Self::Node => "nodejs",
            Self::Qemu(board) => board.package,
        }
    }

    /// The command that runs the program, with a fault if one is named.
    fn command<'a>(
        &self,
        workspace: &'a Workspace,
        program: &str,
        fault: Option<&str>,
    ) -> Result<Cmd<'a>> {
        Ok(match self {
            Self::Native => qemu::limited(workspace)?.args([program]).args(fault),
            Self::Node => {
                let script = workspace.root().join("xtask/exercise/run.mjs");
                let node = qemu::find("node", self.package())?;
                qemu::limited(workspace)?.args([node]).args([script.as_str(), program]).args(fault)
            }
            Self::Qemu(board) => {
                let arguments: Vec<&str> = [Some(PROGRAM), fault].into_iter().flatten().collect();
                board.command(workspace, program, &arguments, Clock::Usual)?
            }
        })
    }
}

pub fn run(workspace: &Workspace, triple: &str, machine: &Machine) -> Result<String> {
    // Report missing programs before building.
    machine.runner.command(workspace, PROGRAM, None)?;
    let program = match machine.runner {
        Runner::Native => build_native(workspace)?,
        _ => program::build(workspace, triple, PROGRAM, &[])?,
    };
    let run = |fault| machine.runner.command(workspace, program.as_str(), fault)?.run_reading();
    let note = passed(&run(None)?)?;
    let timer_faults = machine.has_timer.then_some(TIMER_FAULTS).into_iter().flatten();
    let mut faults = 0;
    for (fault, complaint) in FAULTS.into_iter().chain(timer_faults) {
        found(&run(Some(fault))?, complaint)
            .with_context(|| format!("the fault `{fault}` must be found"))?;
        faults += 1;
    }
    Ok(format!("{note}; {faults} faults found"))
}

fn build_native(workspace: &Workspace) -> Result<Utf8PathBuf> {
    let folder = workspace.scratch("targets");
    let cargo = workspace.cargo(["build", "--release", "-p", PROGRAM, "--target-dir"]);
    cargo.args([folder.as_str()]).run()?;
    Ok(folder.join("release").join(PROGRAM))
}

/// Checks that the program has passed. Returns its summary.
fn passed(ran: &Ran) -> Result<String> {
    ensure!(ran.code == Some(0), "the program has ended with {:?}", ran.code);
    let last = ran.text.lines().find(|line| line.starts_with("passed: "));
    let last = last.context("the program does not say that it has passed")?;
    let mut note = format!("{} steps", number_before(last, " steps")?);
    if let Some(line) = ran.text.lines().find(|line| line.starts_with("interrupts: ")) {
        note += &format!(", {} interrupts", number_before(line, " in ")?);
    }
    Ok(note)
}

/// Checks that the program has failed for this reason.
fn found(ran: &Ran, complaint: &str) -> Result<()> {
    ensure!(ran.code == Some(1), "the program has ended with {:?}, not with 1", ran.code);
    ensure!(ran.text.contains(complaint), "the program does not say \"{complaint}\"");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(code: i32, text: &str) -> Ran {
        Ran { code: Some(code), text: text.to_owned() }
    }

    #[test]
    fn passing_takes_the_status_and_the_word() {
        let text = "interrupts: 10 in 20 steps, 3 blocks handed over\npassed: 30 steps\n";
        assert_eq!(passed(&ran(0, text)).unwrap(), "30 steps, 10 interrupts");
        assert_eq!(passed(&ran(0, "passed: 7 steps\n")).unwrap(), "7 steps");
        assert!(passed(&ran(1, text)).is_err());
        assert!(passed(&ran(124, text)).is_err());
        assert!(passed(&ran(0, "micro: 30 steps\n")).is_err());
        assert!(passed(&Ran { code: None, text: text.to_owned() }).is_err());
    }

    #[test]
    fn a_fault_is_found_by_the_status_and_the_reason() {
        assert!(found(&ran(1, "byte 0: overwritten"), ": overwritten").is_ok());
        assert!(found(&ran(0, "byte 0: overwritten"), ": overwritten").is_err());
        assert!(found(&ran(124, "byte 0: overwritten"), ": overwritten").is_err());
        assert!(found(&ran(1, "another reason"), ": overwritten").is_err());
    }
}
