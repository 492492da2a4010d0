//! Runs inputs from fuzzers through the driver, and prints the shortest script that fails in the same way.
//!
//! ```text
//! cargo run -p talloc-fuzz --bin replay -- heap fuzz/artifacts/heap/crash-*
//! ```

use std::process::ExitCode;

use talloc_fuzz::Target;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(target) = args.next().as_deref().and_then(Target::named) else {
        let targets = Target::ALL.map(Target::name).join("|");
        eprintln!("usage: replay {targets} FILES...");
        return ExitCode::FAILURE;
    };
    for file in args {
        let bytes = match std::fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) => {
                eprintln!("{file}: {error}");
                return ExitCode::FAILURE;
            }
        };
        match target.check(&bytes) {
            Ok(steps) => println!("{file}: {steps} steps"),
            Err(failure) => {
                eprintln!("{file}: {failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
