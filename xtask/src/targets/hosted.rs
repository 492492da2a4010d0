//! The libraries' tests, on another architecture with Linux, or on another system.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::compiler::Compiler;
use super::table::INSTALL;
use super::{number_before, wine};
use crate::analysis::suite;
use crate::cmd::Cmd;
use crate::tools;
use crate::workspace::Workspace;

/// Tests of limits that emulators of user programs do not impose, and of resident memory, which includes
/// the emulator's.
const LIMIT_TESTS: [&str; 7] =
    ["limits", "limits_data", "limits_large", "idle", "fault_ahead", "huge_pages", "huge_zeros"];

/// Scripts of each setup that the oracle runs when it is emulated.
const SCRIPTS: &str = "2";

/// The requirements of programs for another machine.
pub struct System {
    /// The prefix of the cross compiler, which links.
    pub gcc: &'static str,
    /// Debian's packages with that, the C library, and what runs programs.
    pub packages: &'static str,
    pub runs: Runs,
}

/// The runner of the tests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// This machine does, which has another dynamic linker for 32 bits.
    Here,
    /// An emulator of user programs.
    Qemu(&'static str),
    /// An emulator of user programs, with all extensions of the processor.
    QemuMax(&'static str),
    /// Wine, which has the functions of Windows.
    Wine,
}

impl System {
    /// The command that installs it all.
    pub fn needs(&self) -> String {
        format!("{INSTALL} {}", self.packages)
    }

    /// The command that runs the tests; `None` if this machine runs them.
    fn runner(&self, workspace: &Workspace, gcc: &Path) -> Result<Option<String>> {
        match self.runs {
            Runs::Here => {
                // The dynamic linker's place is part of the ABI.
                let has_loader = Path::new("/lib/ld-linux.so.2").exists();
                let needs = self.needs();
                ensure!(has_loader, "this machine runs no 32-bit programs; to get it: {needs}");
                Ok(None)
            }
            Runs::Qemu(emulator) | Runs::QemuMax(emulator) => {
                let emulator = tools::require(emulator, &self.needs())?;
                let libc = Cmd::new(workspace.shell(), gcc).args(["-print-file-name=libc.so.6"]);
                // Where there is none, the compiler says no more than its name.
                let root = PathBuf::from(libc.read()?).ancestors().nth(2).map(Path::to_owned);
                let root = root.filter(|root| root.join("lib/libc.so.6").is_file());
                let root =
                    root.with_context(|| format!("no C library; to get it: {}", self.needs()))?;
                let cpu = if let Runs::QemuMax(_) = self.runs { " -cpu max" } else { "" };
                Ok(Some(format!("{}{cpu} -L {}", emulator.display(), root.display())))
            }
            Runs::Wine => wine::runner(workspace, gcc, &self.needs()).map(Some),
        }
    }

    fn is_emulated(&self) -> bool {
        self.runs != Runs::Here
    }
}

pub fn run(workspace: &Workspace, triple: &str, system: &System) -> Result<String> {
    let cargo = cargo_test(workspace, triple, system)?
        .args(["--no-fail-fast"])
        .args(tests(workspace, system.is_emulated())?)
        .args(workspace.hosted_features()?);
    pass(cargo)
}

/// `cargo test`, for programs of another machine.
pub fn cargo_test<'a>(workspace: &'a Workspace, triple: &str, system: &System) -> Result<Cmd<'a>> {
    let gcc = tools::require(&format!("{}-gcc", system.gcc), &system.needs())?;
    let runner = system.runner(workspace, &gcc)?;
    let cargo = Compiler::find(workspace, triple, "std,test,panic_unwind")?
        .cargo(workspace, "test", triple)
        .args(["--config", &format!("target.{triple}.linker={gcc:?}")]);
    let Some(runner) = runner else { return Ok(cargo) };
    let cargo = cargo
        .args(["--config", &format!("target.{triple}.runner={runner:?}")])
        .env("TALLOC_FUZZ_SCRIPTS", SCRIPTS);
    Ok(match system.runs {
        // A program of Windows starts another one as it would there.
        Runs::Wine => wine::set_up(workspace, cargo),
        // For tests that start a program themselves.
        _ => cargo.env("TALLOC_TEST_RUNNER", runner),
    })
}

/// Runs tests, some of which must pass, and none fail.
pub fn pass(cargo: Cmd<'_>) -> Result<String> {
    let output = cargo.run_reading()?;
    ensure!(output.code == Some(0), "the tests have failed, with {:?}", output.code);
    let mut passed = 0;
    for result in output.text.lines().filter(|line| line.starts_with("test result: ")) {
        passed += number_before(result, " passed")?;
    }
    ensure!(passed > 0, "no test has run");
    Ok(format!("{passed} tests"))
}

/// Arguments that select the tests of the libraries and of the oracle. The tests of the examples run cargo, and would
/// test this machine.
fn tests(workspace: &Workspace, emulated: bool) -> Result<Vec<String>> {
    let limits = if emulated { &LIMIT_TESTS[..] } else { &[] };
    suite::select(&suite::packages(workspace)?, &[&[suite::EXAMPLES], limits].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tests_but_those_of_this_machine_are_run() {
        let workspace = Workspace::load().unwrap();
        let tests = |emulated| super::tests(&workspace, emulated).unwrap();
        let (native, emulated) = (tests(false), tests(true));
        for wanted in ["all", "faults", "system", "arithmetic"] {
            assert!(emulated.iter().any(|name| name == wanted), "{wanted} is not in {emulated:?}");
        }
        assert!(!native.iter().any(|name| name == suite::EXAMPLES));
        assert!(native.iter().any(|name| name == LIMIT_TESTS[0]));
        assert!(!emulated.iter().any(|name| name == LIMIT_TESTS[0]));
    }

    #[test]
    fn what_is_missing_is_said_with_how_to_get_it() {
        let runs = Runs::Qemu("qemu-pdp11");
        let system = System { gcc: "pdp11", packages: "gcc-pdp11", runs };
        let error = run(&Workspace::load().unwrap(), "pdp11", &system).unwrap_err().to_string();
        assert!(error.contains("`pdp11-gcc`"), "{error}");
        assert!(error.contains("apt-get install --no-install-recommends gcc-pdp11"), "{error}");
    }
}
