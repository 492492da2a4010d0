//! Which addresses are advised to use huge pages, as the kernel reports it for a child process.
#![cfg(all(feature = "system", feature = "std", target_os = "linux"))]

use std::alloc::{GlobalAlloc, Layout};
use std::{env, fs, process};

use talloc_global::*;

const VARIABLE: &str = "TALLOC_HUGE_PAGES";

const MIB: usize = 1 << 20;

#[global_allocator]
static ALLOCATOR: SystemTalloc = SystemTalloc::new();

/// Returns how many bytes between two addresses have the kernel's flag `hg` (huge pages advised) or `nh` (huge pages
/// refused). Returns `None` if the kernel has no huge pages.
fn advised(start: *mut u8, end: *mut u8, flag: &str) -> Option<usize> {
    fs::metadata("/sys/kernel/mm/transparent_hugepage").ok()?;
    let smaps = fs::read_to_string("/proc/self/smaps").ok()?;
    let (start, end) = (start.addr(), end.addr());
    let (mut sum, mut bytes) = (0, 0);
    for line in smaps.lines() {
        let first = line.split(' ').next().unwrap_or_default();
        if let Some((from, to)) = first.split_once('-') {
            let [from, to] = [from, to].map(|number| usize::from_str_radix(number, 16).unwrap());
            bytes = to.min(end).saturating_sub(from.max(start));
        } else if first == "VmFlags:" && line.split(' ').any(|word| word == flag) {
            sum += bytes;
        }
    }
    Some(sum)
}

/// Adjacent blocks of 64 MiB in total.
struct Blocks(Vec<*mut u8>);

const LAYOUT: Layout = Layout::new::<[u8; 64 << 10]>();

impl Blocks {
    fn new() -> Self {
        // SAFETY: The size is not zero.
        Self((0..1024).map(|_| unsafe { ALLOCATOR.alloc(LAYOUT) }).collect())
    }

    /// Calls [`advised`] for the addresses of the blocks, except the first `skipped` bytes.
    fn advised(&self, skipped: usize, flag: &str) -> Option<usize> {
        let (first, last) = (*self.0.iter().min()?, *self.0.iter().max()?);
        advised(first.wrapping_add(skipped), last, flag)
    }

    fn free(&self) {
        // SAFETY: Each block is freed once, with its layout.
        self.0.iter().for_each(|block| unsafe { ALLOCATOR.dealloc(*block, LAYOUT) });
    }
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
fn memory_of_a_large_heap_is_advised_until_it_is_purged() {
    let blocks = Blocks::new();
    let Some(wanted) = blocks.advised(0, "hg") else { return };
    assert!((48 * MIB..=56 * MIB).contains(&wanted), "{wanted} of 64 MiB");
    // There are no gaps from the first step after the heap has reached 8 MiB.
    assert_eq!(blocks.advised(16 * MIB, "hg"), blocks.advised(16 * MIB, "wr"));
    blocks.free();
    ALLOCATOR.trim();
    assert_eq!(blocks.advised(0, "hg"), Some(0));
    assert!(blocks.advised(0, "nh") >= Some(wanted));
    // New memory is advised again.
    let _more = [Blocks::new(), Blocks::new(), Blocks::new()];
    let ends = _more.iter().flat_map(|blocks| &blocks.0);
    let (first, last) = (ends.clone().min().unwrap(), ends.max().unwrap());
    assert!(advised(*first, *last, "hg") > Some(100 * MIB));
}

#[test]
#[ignore = "a process is started for it"]
fn nothing_is_advised() {
    assert!(matches!(Blocks::new().advised(0, "hg"), None | Some(0)));
}

#[test]
#[ignore = "a process is started for it"]
fn nothing_is_advised_by_program() {
    ALLOCATOR.set_huge_pages(false);
    nothing_is_advised();
}

#[test]
fn large_heaps_want_huge_pages_unless_told_otherwise() {
    assert!(passes("memory_of_a_large_heap_is_advised_until_it_is_purged", ""));
    assert!(!passes("nothing_is_advised", "always") || !has_huge_pages());
    assert!(passes("nothing_is_advised", "never"));
    assert!(passes("nothing_is_advised_by_program", ""));
}

fn has_huge_pages() -> bool {
    fs::metadata("/sys/kernel/mm/transparent_hugepage").is_ok()
}
