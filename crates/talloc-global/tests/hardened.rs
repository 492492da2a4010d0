//! A hardened heap as the global allocator. Programs run, and faults abort them with a one-line message.

#![cfg(all(unix, feature = "system", feature = "std"))]

#[path = "../../talloc-core/tests/all/common/program.rs"]
mod program;

use std::alloc::{Layout, alloc, dealloc};
use std::env;
use std::process::Output;
use std::thread;

use program::this_program;
use talloc_global::config::{Compact, Harden, Hardened, Measures};
use talloc_global::misuse::Aborts;
use talloc_global::source::random_key;
use talloc_global::*;

/// All measures, with random keys.
struct All;

impl Harden for All {
    const MEASURES: Measures = Measures { delay: 16 << 10, fill: 256, ..Measures::ALL };

    fn key() -> u64 {
        random_key()
    }
}

#[global_allocator]
static ALLOCATOR: SystemTallock<Hardened<Compact, All, Aborts>> = SystemTallock::with_config();

/// The environment variable that selects the fault to commit.
const FAULT: &str = "TALLOC_TEST_FAULT";

fn layout() -> Layout {
    Layout::new::<[u8; 100]>()
}

/// Runs this test in a child process, which commits a fault.
fn commit(fault: &str) -> Output {
    let mut command = this_program();
    command.args(["commits_a_fault", "--exact", "--nocapture"]).env(FAULT, fault);
    command.output().unwrap()
}

#[test]
fn commits_a_fault() {
    let Ok(fault) = env::var(FAULT) else { return };
    // Volatile writes are not optimised away after the memory is freed.
    // SAFETY: This is misuse, which the heap detects before it changes anything.
    unsafe {
        let block = alloc(layout());
        match &*fault {
            "overflow" => block.add(100).write_volatile(0),
            "double free" => dealloc(block, layout()),
            "write after free" => {
                dealloc(block, layout());
                block.add(50).write_volatile(0);
                let blocks: Vec<Vec<u8>> = (0..10_000).map(|_| vec![1; 100]).collect();
                drop(blocks);
            }
            _ => unreachable!(),
        }
        dealloc(block, layout());
    }
    unreachable!("the heap has not found the {fault}");
}

#[test]
fn a_fault_aborts_the_program_with_one_line() {
    let faults = [
        ("overflow", "overwritten behind its end"),
        ("double free", "already free"),
        ("write after free", "written to after it was freed"),
    ];
    for (fault, text) in faults {
        let output = commit(fault);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{fault}: {error}");
        let lines: Vec<&str> = error.lines().filter(|line| line.starts_with("talloc: ")).collect();
        assert!(matches!(lines[..], [line] if line.contains(text)), "{fault}: {error}");
    }
}

#[test]
fn threads_share_a_hardened_heap() {
    let work = |seed: u64| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut blocks: Vec<Vec<u8>> = Vec::new();
        for _ in 0..20_000 {
            let byte = rng.u8(..);
            match rng.usize(..3) {
                0 => blocks.push(vec![byte; rng.usize(1..2000)]),
                1 if !blocks.is_empty() => {
                    let number = rng.usize(..blocks.len());
                    let block = &mut blocks[number];
                    block.resize(rng.usize(1..4000), block[0]);
                }
                _ if !blocks.is_empty() => {
                    let block = blocks.swap_remove(rng.usize(..blocks.len()));
                    assert!(block.iter().all(|byte| *byte == block[0]));
                }
                _ => {}
            }
        }
    };
    let threads: Vec<_> = (0..4).map(|seed| thread::spawn(move || work(seed))).collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(ALLOCATOR.verify().is_ok());
}

#[test]
fn keys_differ() {
    assert_ne!(random_key(), random_key());
}
