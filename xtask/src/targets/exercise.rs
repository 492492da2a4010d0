//! The program of `xtask/exercise`, on a machine without an operating system.
//!
//! It must end with the status 0 and say that it has passed. That something would be noticed is
//! tested with the same program: asked to do something wrong, it must end with the status 1 and say
//! what that was.

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::Utf8PathBuf;

use super::compiler::Compiler;
use super::table::INSTALL;
use super::{linker, number_before};
use crate::cmd::{Cmd, Ran};
use crate::tools;
use crate::workspace::Workspace;

const PROGRAM: &str = "talloc-exercise";

/// What can go wrong on purpose, with what must be said of it.
const FAULTS: [(&str, &str); 2] =
    [("overwrite", ": overwritten"), ("leak", " bytes should be used: ")];

/// The same, where there is a timer.
const TIMER_FAULTS: [(&str, &str); 1] = [("silence", "the timer does not interrupt")];

/// After this time a program has hung; in seconds. None takes more than a few.
const TIME_LIMIT: &str = "300";

pub struct Machine {
    pub runner: Runner,
    pub has_timer: bool,
}

pub enum Runner {
    Native,
    Node,
    Qemu { program: &'static str, package: &'static str, machine: &'static str },
}

impl Runner {
    /// The package that it comes with.
    pub fn package(&self) -> &'static str {
        match self {
            Self::Native => "coreutils",
            Self::Node => "nodejs",
            Self::Qemu { package, .. } => package,
        }
    }

    /// The command that runs the program, with a fault if one is named.
    fn command<'a>(
        &self,
        workspace: &'a Workspace,
        program: &str,
        fault: Option<&str>,
    ) -> Result<Cmd<'a>> {
        let timeout = tools::require("timeout", &how_to_get("coreutils"))?;
        let command = Cmd::new(workspace.shell(), timeout).args([TIME_LIMIT]);
        Ok(match self {
            Self::Native => command.args([program]).args(fault),
            Self::Node => {
                let node = tools::require("node", &how_to_get(self.package()))?;
                let script = workspace.root().join("xtask/exercise/run.mjs");
                command.args([node]).args([script.as_str(), program]).args(fault)
            }
            Self::Qemu { program: qemu, machine, .. } => {
                let qemu = tools::require(qemu, &how_to_get(self.package()))?;
                let arguments = [Some(PROGRAM), fault].into_iter().flatten();
                let arguments: String =
                    arguments.map(|argument| format!(",arg={argument}")).collect();
                let semihosting = format!("enable=on,target=native{arguments}");
                // The clock counts instructions: interrupts come at the same ones in each run. That
                // of RISC-V would start firmware first.
                let rest = ["-icount", "shift=4", "-nographic", "-semihosting-config"];
                command
                    .args([qemu])
                    .args(["-M", machine])
                    .args((*machine == "virt").then_some(["-bios", "none"]).into_iter().flatten())
                    .args(rest)
                    .args([semihosting.as_str(), "-kernel", program])
            }
        })
    }
}

fn how_to_get(package: &str) -> String {
    format!("{INSTALL} {package}")
}

pub fn run(workspace: &Workspace, triple: &str, machine: &Machine) -> Result<String> {
    // What is missing is said before anything is built.
    machine.runner.command(workspace, PROGRAM, None)?;
    let program = match machine.runner {
        Runner::Native => build_native(workspace)?,
        _ => build(workspace, triple)?,
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

fn build(workspace: &Workspace, triple: &str) -> Result<Utf8PathBuf> {
    let compiler = Compiler::find(workspace, triple, "core,alloc")?;
    compiler
        .cargo(workspace, "build", triple)
        .args(["--release", "-p", PROGRAM])
        .args(linker::arguments(&compiler, triple)?)
        .run()?;
    let folder = workspace.scratch("targets").join(triple).join("release");
    let wasm = triple.starts_with("wasm");
    Ok(folder.join(if wasm { format!("{PROGRAM}.wasm") } else { PROGRAM.to_owned() }))
}

/// Checks that the program has passed. Returns what it has done.
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
