//! Environment variables, tested in child processes.
#![cfg(all(feature = "system", feature = "std", target_os = "linux"))]

use std::alloc::{GlobalAlloc, Layout};
use std::time::{Duration, Instant};
use std::{env, fs, process, ptr, thread};

use talloc_global::*;

const VARIABLE: &str = "TALLOC_PURGE_DELAY";

const BLOCK: Layout = Layout::new::<[u8; 10_000]>();
const BLOCKS: usize = 4000;

#[global_allocator]
static ALLOCATOR: SystemTalloc = SystemTalloc::new();

/// How long a process waits for its memory to be purged.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the resident memory of the process in bytes.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}

/// Frees much memory, and then does little until most of it is purged or `patience` has elapsed. Returns whether it was
/// purged.
fn gives_back(patience: Duration) -> bool {
    let before = resident();
    // SAFETY: Writes are within the blocks, and each is freed once.
    unsafe {
        let mut blocks = [ptr::null_mut(); BLOCKS];
        for block in &mut blocks {
            *block = ALLOCATOR.alloc(BLOCK);
            assert!(!block.is_null());
            block.write_bytes(1, BLOCK.size());
        }
        blocks.iter().for_each(|block| ALLOCATOR.dealloc(*block, BLOCK));
    }
    let start = Instant::now();
    while start.elapsed() < patience {
        // SAFETY: The block is freed once.
        (0..100).for_each(|_| unsafe { ALLOCATOR.dealloc(ALLOCATOR.alloc(BLOCK), BLOCK) });
        if resident().saturating_sub(before) < BLOCKS * BLOCK.size() / 2 {
            return true;
        }
        thread::sleep(Duration::from_millis(2));
    }
    false
}

/// Runs the test `name` in a child process with the variable. Returns whether it passes.
fn passes(name: &str, value: &str) -> bool {
    let program = env::current_exe().unwrap();
    let mut command = process::Command::new(program);
    command.args([name, "--exact", "--include-ignored"]).env(VARIABLE, value);
    command.output().unwrap().status.success()
}

#[test]
#[ignore = "a process is started for it"]
fn memory_goes_back() {
    assert!(gives_back(PATIENCE));
}

#[test]
#[ignore = "a process is started for it"]
fn memory_stays() {
    assert!(!gives_back(Duration::from_millis(700)));
}

#[test]
fn the_environment_sets_when_memory_goes_back() {
    assert!(passes("memory_goes_back", "20"));
    assert!(passes("memory_stays", "never"));
    assert!(passes("memory_stays", "3600000"));
    assert!(passes("memory_goes_back", "what?"));
}
