//! Runs fuzzers' inputs through the driver, and prints the shortest script that fails like them.
//!
//! ```text
//! cargo run -p talloc-fuzz --bin replay -- heap fuzz/artifacts/heap/crash-*
//! ```

use std::process::ExitCode;

use talloc_fuzz::{Mix, Script, check};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(mix) = args.next().as_deref().and_then(Mix::named) else {
        let targets = Mix::ALL.map(Mix::name).join("|");
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
        let script = Script::decode(mix, &bytes);
        match check(&script) {
            Ok(steps) => println!("{file}: {} operations, {steps} steps", script.ops.len()),
            Err(failure) => {
                eprintln!("{file}: {failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
