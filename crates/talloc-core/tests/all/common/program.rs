//! Runs the test program again, as another process.

use std::env;
use std::process::Command;

/// The environment variable with the emulator that runs the programs, and its arguments.
const RUNNER: &str = "TALLOC_TEST_RUNNER";

/// A command that runs this program again.
pub fn this_program() -> Command {
    let this = env::current_exe().unwrap();
    let Ok(runner) = env::var(RUNNER) else { return Command::new(this) };
    let mut words = runner.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).arg(this);
    command
}
