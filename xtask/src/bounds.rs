//! `bounds`: the average and the worst cost of operations, in instructions of a Cortex-M3.
//!
//! The program of `xtask/bounds` performs random operations, and some that are meant to be slow, in an
//! emulator whose clock counts instructions. Each run performs the same operations.
//!
//! If a heap promises a bounded number of steps, the worst case with four times the memory must take about as many
//! instructions. A heap without a bound is included, to show that the check would find it.

use anyhow::{Context, Result, anyhow, ensure};
use cargo_metadata::camino::Utf8Path;
use comfy_table::Table;

use crate::cmd::Ran;
use crate::size::table_of;
use crate::targets::program;
use crate::targets::qemu::{Clock, boards};
use crate::workspace::Workspace;

const PACKAGE: &str = "talloc-bounds";
const TRIPLE: &str = "thumbv7m-none-eabi";

/// The memory of a heap in KiB: a small size, and the largest that 16-bit links can span.
const MEMORY: [&str; 2] = ["125", "500"];

/// The names of the operations in the program.
const OPERATIONS: [&str; 7] = ["malloc", "aligned", "refused", "free", "grow", "shrink", "first"];

/// The number of these operations whose bound does not depend on the size of the memory. The others happen once in the
/// life of the memory.
const BOUNDED: usize = 6;

/// The largest ratio of the worst case with much memory to that with little.
const MAX_GROWTH: f64 = 1.25;

#[derive(clap::Args)]
#[command(after_help = "\
The compiler is chosen as by `cargo xtask targets`: the variables TALLOC_TARGETS_RUSTC and \
TALLOC_TARGETS_CARGO name another.")]
pub struct Args {}

/// The promise of a heap.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// A bounded number of steps.
    Bounded,
    /// No promise that is checked here.
    None,
    /// The number of steps is in proportion to the free memory.
    Unbounded,
}

/// The program's names of heaps, with what they stand for.
const HEAPS: [(&str, &str, Promise); 7] = [
    ("tiny", "talloc, `Tiny`", Promise::Bounded),
    ("micro", "talloc, `Micro`", Promise::Bounded),
    ("real-time", "talloc, `RealTime`", Promise::Bounded),
    ("compact", "talloc, `Compact`", Promise::None),
    ("rlsf", "rlsf 0.2.3, u16 bitmaps", Promise::None),
    ("talc5", "talc 5.1.1", Promise::None),
    ("linked-list", "linked_list_allocator 0.10.6", Promise::Unbounded),
];

pub fn run(workspace: &Workspace, _: &Args) -> Result<()> {
    // Report missing programs before building.
    boards::CORTEX_M3_LARGE.command(workspace, PACKAGE, &[], Clock::Counting)?;
    let image = program::build_measured(workspace, TRIPLE, PACKAGE)?;
    let mut rows = Vec::new();
    let mut broken = Vec::new();
    for (name, title, promise) in HEAPS {
        let mut worst = Vec::new();
        for memory in MEMORY {
            let costs = measure(workspace, &image, name, memory)?;
            worst.push(costs[..BOUNDED].iter().map(|cost| cost.most).max().unwrap_or_default());
            rows.push(row(title, memory, &costs));
        }
        broken.extend(check(title, promise, worst[0], worst[1]).err());
    }
    println!("\n{}", table(rows));
    match broken.into_iter().next() {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

/// The cost of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    count: u64,
    sum: u64,
    most: u64,
}

fn measure(
    workspace: &Workspace,
    image: &Utf8Path,
    heap: &str,
    memory: &str,
) -> Result<[Cost; OPERATIONS.len()]> {
    let arguments = [PACKAGE, heap, memory];
    let board = boards::CORTEX_M3_LARGE;
    let ran =
        board.command(workspace, image.as_str(), &arguments, Clock::Counting)?.run_reading()?;
    costs(&ran)
}

/// Reads the output of the program.
fn costs(ran: &Ran) -> Result<[Cost; OPERATIONS.len()]> {
    let passed = ran.code == Some(0) && ran.text.lines().any(|line| line == "passed");
    ensure!(passed, "the program has ended with {:?}", ran.code);
    let mut costs = [Cost { count: 0, sum: 0, most: 0 }; OPERATIONS.len()];
    for (operation, cost) in OPERATIONS.iter().zip(&mut costs) {
        let numbers = ran.text.lines().find_map(|line| line.strip_prefix(operation));
        let numbers = numbers.and_then(|numbers| numbers.strip_prefix(": "));
        let numbers =
            numbers.with_context(|| format!("the program does not tell of {operation}"))?;
        let numbers: Vec<u64> =
            numbers.split(' ').map(str::parse).collect::<Result<_, _>>().context("no numbers")?;
        let [count, sum, most] = numbers[..] else { return Err(anyhow!("not three numbers")) };
        *cost = Cost { count, sum, most };
    }
    ensure!(costs[0].count > 0 && costs[3].count > 0, "nothing was done");
    Ok(costs)
}

/// Checks that a heap keeps its promise, by its worst cases with little and with much memory.
fn check(title: &str, promise: Promise, few: u64, many: u64) -> Result<()> {
    let growth = many as f64 / few as f64;
    let grows = growth > MAX_GROWTH;
    match promise {
        Promise::Bounded if grows => {
            Err(anyhow!("{title}: {few} instructions at the most become {many} with more memory"))
        }
        Promise::Unbounded if !grows => {
            Err(anyhow!("{title}: the worst is the same with more memory: it has not been found"))
        }
        _ => Ok(()),
    }
}

fn row(title: &str, memory: &str, costs: &[Cost; OPERATIONS.len()]) -> [String; 9] {
    let [malloc, aligned, refused, free, grow, shrink, first] =
        costs.map(|cost| match cost.count {
            0 => String::new(),
            count => format!("{}, {}", (cost.sum + count / 2) / count, cost.most),
        });
    [title.to_owned(), memory.to_owned(), malloc, aligned, refused, free, grow, shrink, first]
}

fn table(rows: Vec<[String; 9]>) -> Table {
    let heading = [
        "instructions of a Cortex-M3: mean, most",
        "KiB",
        "malloc",
        "aligned",
        "refused",
        "free",
        "grow in place",
        "shrink",
        "all, for the first time",
    ];
    table_of(heading, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "malloc: 2 10 7\naligned: 0 0 0\nrefused: 1 3 3\nfree: 2 5 3\n\
        grow: 1 2 2\nshrink: 1 4 4\nfirst: 1 9 9\npassed\n";

    fn ran(code: i32, text: &str) -> Ran {
        Ran { code: Some(code), text: text.to_owned() }
    }

    #[test]
    fn costs_are_read_or_missed() {
        let costs = super::costs(&ran(0, TEXT)).unwrap();
        assert_eq!(costs[0], Cost { count: 2, sum: 10, most: 7 });
        let row = row("heap", "125", &costs);
        assert_eq!(row, ["heap", "125", "5, 7", "", "3, 3", "3, 3", "2, 2", "4, 4", "9, 9"]);
        assert!(super::costs(&ran(1, TEXT)).is_err());
        assert!(super::costs(&ran(0, &TEXT.replace("passed", ""))).is_err());
        assert!(super::costs(&ran(0, &TEXT.replace("free: 2", "free: 0"))).is_err());
        assert!(super::costs(&ran(0, &TEXT.replace("shrink", "shrinks"))).is_err());
        assert!(super::costs(&ran(0, &TEXT.replace("1 4 4", "1 4"))).is_err());
    }

    #[test]
    fn a_promise_is_kept_or_broken() {
        assert!(check("heap", Promise::Bounded, 100, 120).is_ok());
        assert!(check("heap", Promise::Bounded, 100, 130).is_err());
        assert!(check("heap", Promise::Unbounded, 100, 400).is_ok());
        assert!(check("heap", Promise::Unbounded, 100, 100).is_err());
        assert!(check("heap", Promise::None, 100, 1000).is_ok());
    }
}
