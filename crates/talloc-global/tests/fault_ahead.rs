//! Which pages of a growing heap are resident, as the kernel reports them for a child process.
#![cfg(all(feature = "system", feature = "std", target_os = "linux", target_pointer_width = "64"))]

use std::alloc::{GlobalAlloc, Layout};
use std::path::Path;
use std::time::Duration;
use std::{env, fs, process, ptr, thread};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use rustix::param::page_size;
use talloc_global::source::SystemSource;
use talloc_global::*;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The size of a small block in bytes.
const SIZE: usize = 104;

static THREADED: SystemTalloc = SystemTalloc::new();
static LOCKED: SystemTallock = SystemTallock::new();

/// Returns whether the page at an address is resident.
fn is_there(page: usize) -> bool {
    let mut is_there = 0;
    // SAFETY: The buffer has room for the status of one page.
    let result = unsafe { libc::mincore(ptr::without_provenance_mut(page), 1, &mut is_there) };
    assert_eq!(result, 0, "the page is mapped");
    is_there & 1 != 0
}

/// Returns the resident memory of the process in bytes.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * page_size()
}

/// Returns whether the kernel uses huge pages by default.
fn has_large_pages() -> bool {
    const SETTINGS: &str = "/sys/kernel/mm/transparent_hugepage";
    let is_always = |folder: &Path| {
        fs::read_to_string(folder.join("enabled")).is_ok_and(|text| text.contains("[always]"))
    };
    let sizes = fs::read_dir(SETTINGS).into_iter().flatten().flatten();
    page_size() != 4 * KIB
        || is_always(Path::new(SETTINGS))
        || sizes.map(|size| size.path()).any(|size| is_always(&size))
}

/// Returns whether the kernel can populate a range of pages in one call.
fn is_possible() -> bool {
    let page = page_size();
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: The page is newly mapped, and nothing else uses it.
    unsafe {
        let start = mmap_anonymous(ptr::null_mut(), page, protection, MapFlags::PRIVATE).unwrap();
        let is_done = madvise(start, page, Advice::LinuxPopulateWrite).is_ok();
        munmap(start, page).unwrap();
        is_done
    }
}

/// A distance beyond the memory that the heap carves in advance.
const AHEAD: usize = 12 << 10;

/// Allocates blocks of `bytes` bytes in total, and writes to the last byte of each. Counts the pages that the heap
/// reaches. Returns for how many of them, in percent, the page at the distance [`AHEAD`] is resident, too.
fn percent_ahead(heap: &impl GlobalAlloc, size: usize, bytes: usize) -> usize {
    let layout = Layout::from_size_align(size, 8).unwrap();
    let (mut highest, mut pages, mut ahead) = (0, 0, 0);
    for _ in 0..bytes / size {
        // SAFETY: The size is not zero, and all accesses are within the block.
        let last = unsafe {
            let last = heap.alloc(layout).add(size - 1);
            last.write(1);
            last.addr()
        };
        let page = last / page_size() * page_size();
        if page > highest {
            (highest, pages) = (page, pages + 1);
            ahead += usize::from(is_there(page + AHEAD));
        }
    }
    100 * ahead / pages
}

fn pages_of_small_blocks_come_ahead(heap: &impl GlobalAlloc) {
    assert_eq!(percent_ahead(heap, SIZE, MIB / 2), 0);
    percent_ahead(heap, SIZE, 2 * MIB);
    assert!(percent_ahead(heap, SIZE, 8 * MIB) > 50);
}

#[test]
#[ignore = "a process is started for it"]
fn pages_of_small_blocks_come_ahead_in_a_heap_of_a_thread() {
    pages_of_small_blocks_come_ahead(&THREADED);
}

#[test]
#[ignore = "a process is started for it"]
fn pages_of_small_blocks_come_ahead_in_a_locked_heap() {
    pages_of_small_blocks_come_ahead(&LOCKED);
}

#[test]
#[ignore = "a process is started for it"]
fn pages_of_large_blocks_come_when_they_are_used() {
    let before = resident();
    percent_ahead(&THREADED, 64 * KIB, 12 * MIB);
    let grown = resident() - before;
    assert!(grown < 2 * MIB, "{grown} bytes are resident for 192 pages");
}

#[test]
#[ignore = "a process is started for it"]
fn populated_pages_are_bounded_and_purged() {
    percent_ahead(&THREADED, SIZE, 8 * MIB);
    // SAFETY: The size is not zero.
    let last = unsafe { THREADED.alloc(Layout::new::<[u8; SIZE]>()) };
    // Blocks are carved in advance from the next page.
    let first = last.addr() / page_size() * page_size() + 2 * page_size();
    let pages = || (0..).take_while(|page| is_there(first + page * page_size())).count();
    let ahead = pages();
    assert!((1..=8 * MIB / 64 / page_size()).contains(&ahead), "{ahead} pages");
    THREADED.trim();
    assert_eq!(pages(), 0, "of {ahead}");
}

/// The heap grows to different heights, and most of its memory is purged each time.
#[test]
#[ignore = "a process is started for it"]
fn pages_populated_above_each_peak_are_purged() {
    SystemSource::set_purge_delay(Some(Duration::from_millis(1)));
    let small = Layout::new::<[u8; SIZE]>();
    // This is larger than any cached block, so the source is tended.
    let large = Layout::from_size_align(100 * KIB, 8).unwrap();
    for peak in (4..12).rev() {
        let take = |_| LOCKED.malloc(small).unwrap();
        let blocks: Vec<_> = (0..peak * MIB / SIZE).map(take).collect();
        // SAFETY: The heap allocated these blocks, and each is freed once.
        blocks.into_iter().for_each(|block| unsafe { LOCKED.free(block, small) });
        for _ in 0..50 {
            thread::sleep(Duration::from_millis(1));
            // SAFETY: The heap allocated this block, and it is freed once.
            unsafe { LOCKED.free(LOCKED.malloc(large).unwrap(), large) };
        }
    }
    LOCKED.trim();
    let untouched = LOCKED.with(|heap| {
        let arena = heap.arenas().next().unwrap();
        heap.arena(arena).unwrap().untouched_span()
    });
    let (base, end) = untouched.get_base_acme().unwrap();
    let first = base.next_multiple_of(page_size());
    let there = (first..end).step_by(page_size()).filter(|page| is_there(*page)).count();
    assert_eq!(there, 0, "of {}", (end - first) / page_size());
}

#[test]
fn a_growing_heap_is_ready_for_more() {
    if has_large_pages() || !is_possible() {
        return;
    }
    for name in [
        "pages_of_small_blocks_come_ahead_in_a_heap_of_a_thread",
        "pages_of_small_blocks_come_ahead_in_a_locked_heap",
        "pages_of_large_blocks_come_when_they_are_used",
        "populated_pages_are_bounded_and_purged",
        "pages_populated_above_each_peak_are_purged",
    ] {
        let mut command = process::Command::new(env::current_exe().unwrap());
        command.args([name, "--exact", "--include-ignored"]).env("TALLOC_HUGE_PAGES", "never");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
