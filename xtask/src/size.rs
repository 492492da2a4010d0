//! `size`: the code size and memory of talloc and other allocators.
//!
//! The program of `xtask/sizes` only allocates. It is built with each allocator, and without an allocator; the size
//! without an allocator is subtracted.

mod control;
mod program;
mod speed;
mod thumb;
mod wasm;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use comfy_table::Table;

use crate::tables;
use crate::workspace::Workspace;

#[derive(clap::Args)]
#[command(after_help = "\
The compiler is chosen as by `cargo xtask targets`: the variables TALLOC_TARGETS_RUSTC and \
TALLOC_TARGETS_CARGO name another.")]
pub struct Args {
    /// Only this.
    what: Option<What>,
    /// Measure the speed of modules in Node, instead of their size.
    #[arg(long)]
    speed: bool,
    /// Actions of a round, with `--speed`.
    #[arg(long, default_value_t = 500_000, requires = "speed")]
    actions: u32,
    /// Rounds, with `--speed`.
    #[arg(long, default_value_t = 15, requires = "speed")]
    rounds: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// A heap's control structure.
    Control,
    /// A microcontroller, `thumbv7m-none-eabi`.
    Thumb,
    /// A WebAssembly module.
    Wasm,
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let wanted = |what| args.what.is_none_or(|only| only == what);
    if args.speed {
        ensure!(wanted(What::Wasm), "only modules are timed: `cargo xtask size wasm --speed`");
        println!("{}", speed::table(workspace, args.actions, args.rounds)?);
        return Ok(());
    }
    if wanted(What::Control) {
        println!("{}\n", control::table());
    }
    if wanted(What::Thumb) {
        let (table, is_small) = thumb::table(workspace)?;
        println!("{table}\n");
        is_small?;
    }
    if wanted(What::Wasm) {
        let (table, is_small) = wasm::table(workspace)?;
        println!("{table}\n");
        is_small?;
    }
    Ok(())
}

/// A table of names and numbers.
pub fn table_of<const N: usize>(
    heading: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Table {
    let mut table = tables::with_heading(heading);
    table.add_rows(rows);
    tables::align_numbers(&mut table, 1);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocators_are_features_of_the_program() {
        let workspace = Workspace::load().unwrap();
        let members = workspace.members();
        let program = members.iter().find(|member| member.name == program::PACKAGE).unwrap();
        for (feature, name) in thumb::ALLOCATORS.into_iter().chain(wasm::ALLOCATORS) {
            assert!(program.features.contains_key(feature), "{name} has no feature {feature}");
        }
    }

    #[test]
    fn only_modules_are_timed() {
        let workspace = Workspace::load().unwrap();
        let args = Args { what: Some(What::Thumb), speed: true, actions: 1, rounds: 1 };
        let error = run(&workspace, &args).unwrap_err().to_string();
        assert!(error.contains("cargo xtask size wasm --speed"), "{error}");
    }
}
