//! Starting the test once more, as a program of its own.

use std::env;
use std::process::Command;

/// What runs programs of this machine's kind, with its arguments, where that is an emulator.
const RUNNER: &str = "TALLOC_TEST_RUNNER";

/// The present program.
pub fn this_program() -> Command {
    let this = env::current_exe().unwrap();
    let Ok(runner) = env::var(RUNNER) else { return Command::new(this) };
    let mut words = runner.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).arg(this);
    command
}
