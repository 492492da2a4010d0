//! QEMU, which emulates machines.

use std::path::PathBuf;

use anyhow::Result;

use super::table::INSTALL;
use crate::cmd::Cmd;
use crate::tools;
use crate::workspace::Workspace;

/// The time limit in seconds, after which a program counts as hung. No program takes more than a few seconds.
const TIME_LIMIT: &str = "300";

/// A microcontroller, whose program talks to the emulator by semihosting.
#[derive(Clone, Copy)]
pub struct Board {
    pub program: &'static str,
    pub package: &'static str,
    pub machine: &'static str,
}

/// The boards that programs run on.
pub mod boards {
    use super::Board;

    const fn arm(machine: &'static str) -> Board {
        Board { program: "qemu-system-arm", package: "qemu-system-arm", machine }
    }

    const fn riscv(program: &'static str) -> Board {
        Board { program, package: "qemu-system-misc", machine: "virt" }
    }

    pub const CORTEX_M0: Board = arm("microbit");
    pub const CORTEX_M3: Board = arm("lm3s6965evb");
    /// A board with 4 MiB of memory.
    pub const CORTEX_M3_LARGE: Board = arm("mps2-an385");
    pub const CORTEX_M4F: Board = arm("mps2-an386");
    pub const RISCV32: Board = riscv("qemu-system-riscv32");
    pub const RISCV64: Board = riscv("qemu-system-riscv64");
}

/// The speed of an emulated machine's clock.
#[derive(Clone, Copy)]
pub enum Clock {
    /// A usual speed: 16 nanoseconds for an instruction.
    Usual,
    /// A slow speed, at which timers tick several times for each instruction, so that they count instructions.
    Counting,
}

impl Board {
    /// Returns the command that runs a program with arguments, the first of which is its name.
    ///
    /// # Errors
    ///
    /// If the emulator is missing; the error says how to get it.
    pub fn command<'a>(
        &self,
        workspace: &'a Workspace,
        image: &str,
        arguments: &[&str],
        clock: Clock,
    ) -> Result<Cmd<'a>> {
        let arguments: String =
            arguments.iter().map(|argument| format!(",arg={argument}")).collect();
        let semihosting = format!("enable=on,target=native{arguments}");
        // The clock counts instructions, so interrupts come at the same instructions in each run.
        let shift = match clock {
            Clock::Usual => "shift=4",
            Clock::Counting => "shift=8",
        };
        let program = find(self.program, self.package)?;
        Ok(limited(workspace)?
            .args([program])
            .args(["-M", self.machine])
            // Without this, the emulator of RISC-V would start firmware first.
            .args((self.machine == "virt").then_some(["-bios", "none"]).into_iter().flatten())
            .args(["-icount", shift, "-nographic", "-semihosting-config"])
            .args([semihosting.as_str(), "-kernel", image]))
    }
}

/// Returns a command that ends a program that takes too long. The caller adds the program.
///
/// # Errors
///
/// If it is missing; the error says how to get it.
pub fn limited(workspace: &Workspace) -> Result<Cmd<'_>> {
    Ok(Cmd::new(workspace.shell(), find("timeout", "coreutils")?).args([TIME_LIMIT]))
}

/// Finds a program that comes with a package.
///
/// # Errors
///
/// If it is missing; the error says how to get it.
pub fn find(program: &str, package: &str) -> Result<PathBuf> {
    tools::require(program, &format!("{INSTALL} {package}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulator_that_is_missing_is_an_error_that_says_how_to_get_it() {
        let workspace = Workspace::load().unwrap();
        let board = Board { program: "qemu-system-pdp11", package: "qemu-pdp", machine: "11/70" };
        let error =
            board.command(&workspace, "image", &[], Clock::Usual).err().unwrap().to_string();
        assert!(error.contains("there is no `qemu-system-pdp11` here"), "{error}");
        assert!(error.contains("apt-get install --no-install-recommends qemu-pdp"), "{error}");
    }
}
