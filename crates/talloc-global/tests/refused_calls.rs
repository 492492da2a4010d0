//! System calls that a seccomp filter refuses, one at a time, as in a sandbox.
//!
//! A filter is permanent for its process. So each filter is tested in a child process, which runs this program.
#![cfg(all(
    feature = "spin",
    feature = "system",
    feature = "std",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
))]

use std::alloc::{GlobalAlloc, Layout};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{env, process, thread};

use fastrand::Rng;
use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};
use talloc_global::*;

/// The system calls of the heaps, as listed in the documentation of `SystemTalloc`.
const CALLS: [(&str, i64); 7] = [
    ("mmap", libc::SYS_mmap),
    ("munmap", libc::SYS_munmap),
    ("mprotect", libc::SYS_mprotect),
    ("mremap", libc::SYS_mremap),
    ("madvise", libc::SYS_madvise),
    ("membarrier", libc::SYS_membarrier),
    ("sched_yield", libc::SYS_sched_yield),
];

const ERRORS: [Errno; 2] = [Errno::PERM, Errno::NOMEM];

/// The system reports success but does nothing, as some emulators do.
const PRETENDS: i32 = 0;

/// The environment variable that tells the child process what to refuse, and whether it allocates first.
const VARIABLE: &str = "REFUSED";

const MIB: usize = 1 << 20;

/// The size of a block that `SystemTalloc` maps separately, in bytes.
const LARGEST: usize = 200 * MIB;

static THREADED: SystemTalloc = SystemTalloc::new();
static LOCKED: SystemTallock = SystemTallock::new();

/// The test's own memory, which needs no system calls.
static ARENA: StaticArena<{ 256 << 20 }> = StaticArena::new();
#[global_allocator]
static ALLOCATOR: StaticTalloc = StaticTalloc::new(&ARENA);

/// Returns the filter's action with this name: an error number, or `kill`.
fn action(name: &str) -> SeccompAction {
    match name {
        "kill" => SeccompAction::KillProcess,
        number => SeccompAction::Errno(number.parse().unwrap()),
    }
}

/// Applies an action to a system call of this process from now on.
fn refuse(call: i64, action: SeccompAction) {
    let filter = SeccompFilter::new(
        BTreeMap::from([(call, Vec::new())]),
        SeccompAction::Allow,
        action,
        env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter_all_threads(&program).unwrap();
}

/// The number of bytes of a block that are written.
const FILLED: usize = 1 << 12;

/// The number of small blocks.
const BLOCKS: usize = 1000;

/// A block whose first bytes are all the low byte of its number.
struct Block {
    start: *mut u8,
    layout: Layout,
    number: u8,
}

// SAFETY: A `Block` has exclusive access to its memory.
unsafe impl Send for Block {}

impl Block {
    /// Allocates a block from one of the heaps. Returns `None` if there is no memory.
    fn new(heap: &impl GlobalAlloc, size: usize, number: usize) -> Option<Self> {
        let layout = Layout::from_size_align(size, 8).unwrap();
        let is_zeroed = number % 3 == 0;
        // SAFETY: The size is not zero.
        let start =
            unsafe { if is_zeroed { heap.alloc_zeroed(layout) } else { heap.alloc(layout) } };
        if is_zeroed && !start.is_null() {
            Self { start, layout, number: 0 }.check(size);
        }
        let block = Self { start, layout, number: number as u8 };
        (!start.is_null()).then(|| {
            block.fill();
            block
        })
    }

    fn fill(&self) {
        // SAFETY: The write is within the block.
        unsafe { self.start.write_bytes(self.number, self.layout.size().min(FILLED)) };
    }

    /// Checks the first `bytes` bytes.
    fn check(&self, bytes: usize) {
        // SAFETY: These bytes are initialised.
        let content = unsafe { std::slice::from_raw_parts(self.start, bytes.min(FILLED)) };
        assert!(content.iter().all(|byte| *byte == self.number), "a block has been overwritten");
    }

    /// Resizes the block if there is memory. Shrinking never fails.
    fn resize(mut self, heap: &impl GlobalAlloc, size: usize) -> Self {
        let kept = self.layout.size().min(size);
        // SAFETY: The heap allocated the block with this layout, and the size is not zero.
        let start = unsafe { heap.realloc(self.start, self.layout, size) };
        if start.is_null() {
            assert!(size > self.layout.size(), "shrinking to {size} has failed");
            self.check(self.layout.size());
            return self;
        }
        self.layout = Layout::from_size_align(size, 8).unwrap();
        self.start = start;
        self.check(kept);
        self.fill();
        self
    }

    fn free(self, heap: &impl GlobalAlloc) {
        self.check(self.layout.size());
        // SAFETY: The heap allocated the block with this layout, and it is freed once.
        unsafe { heap.dealloc(self.start, self.layout) }
    }
}

type Task = Box<dyn FnOnce() + Send>;

/// A thread that is started before anything is refused, because it could not be afterwards.
struct OtherThread {
    tasks: Sender<Task>,
    done: Receiver<()>,
}

impl OtherThread {
    fn new() -> Self {
        let (tasks, received) = channel::<Task>();
        let (finished, done) = channel();
        thread::spawn(move || {
            received.iter().for_each(|task| {
                task();
                finished.send(()).unwrap();
            });
        });
        let thread = Self { tasks, done };
        thread.run(|| ());
        thread
    }

    fn run(&self, task: impl FnOnce() + Send + 'static) {
        self.tasks.send(Box::new(task)).unwrap();
        self.done.recv().unwrap();
    }
}

/// Allocates, resizes and frees blocks. Most are small, and some are mapped separately. The last block has `last`
/// bytes. Returns the number of blocks.
fn exercise(heap: &'static (impl GlobalAlloc + Sync), last: usize, thread: &OtherThread) -> usize {
    let mut rng = Rng::with_seed(1);
    let sizes = (0..BLOCKS).map(|_| 1 << rng.u32(3..17)).chain([MIB, 30 * MIB, last]);
    let blocks: Vec<_> =
        sizes.enumerate().filter_map(|(number, size)| Block::new(heap, size, number)).collect();
    let count = blocks.len();
    let resize = |block: Block| {
        let size = block.layout.size();
        let size = if rng.bool() { size / 2 } else { size + size / 2 };
        block.resize(heap, size)
    };
    let mut blocks: Vec<_> = blocks.into_iter().map(resize).collect();
    if let Some(block) = (last == LARGEST).then(|| blocks.pop()).flatten() {
        // The block crosses the size from which blocks are mapped separately, in both directions.
        blocks.push(block.resize(heap, 10 * MIB).resize(heap, 150 * MIB).resize(heap, 1000));
    }
    let foreign = blocks.split_off(blocks.len() / 2);
    thread.run(move || foreign.into_iter().for_each(|block| block.free(heap)));
    blocks.into_iter().for_each(|block| block.free(heap));
    count
}

/// Uses more addresses than a heap has initially, and frees all blocks. A trim then releases some of the addresses.
fn use_many_addresses() {
    const BLOCKS: usize = 12;
    let blocks = (1..=BLOCKS).filter_map(|number| Block::new(&THREADED, 100 * MIB, 3 * number));
    blocks.collect::<Vec<_>>().into_iter().for_each(|block| block.free(&THREADED));
}

/// Exercises both heaps, and again with the memory that they have given back.
fn exercise_all(thread: &OtherThread) -> [usize; 2] {
    exercise_once(thread);
    exercise_once(thread)
}

fn exercise_once(thread: &OtherThread) -> [usize; 2] {
    use_many_addresses();
    // A mapped block of `SystemTallock` cannot become a block of its arenas without memory.
    let counts = [exercise(&THREADED, LARGEST, thread), exercise(&LOCKED, 64 * MIB, thread)];
    // Blocks cached by a living thread would count as used.
    thread.run(|| THREADED.trim());
    THREADED.trim();
    LOCKED.trim();
    assert_eq!(THREADED.verify().unwrap().used_bytes, 0);
    assert_eq!(LOCKED.verify().unwrap().used_bytes, 0);
    counts
}

/// Frees memory below a block in use, and trims. Returns by how many bytes the purged count grows.
fn purged_below_a_block(heap: &impl GlobalAlloc, trim: impl Fn(), purged: impl Fn() -> u64) -> u64 {
    let before = purged();
    let below: Vec<_> = (0..32).filter_map(|_| Block::new(heap, MIB / 4, 1)).collect();
    let above = Block::new(heap, MIB / 4, 1);
    below.into_iter().for_each(|block| block.free(heap));
    trim();
    let more = purged() - before;
    above.into_iter().for_each(|block| block.free(heap));
    more
}

/// Expects discarded memory to count as purged, and refused discards not to.
fn check_purged(is_refused: bool) {
    let threaded = || THREADED.statistics().purged_bytes;
    let locked = || LOCKED.statistics().purged_bytes;
    for purged in [
        purged_below_a_block(&THREADED, || THREADED.trim(), threaded),
        purged_below_a_block(&LOCKED, || LOCKED.trim(), locked),
    ] {
        assert_eq!(purged == 0, is_refused, "{purged} bytes count as purged");
    }
}

/// Expects the maps to omit the other thread's heap if it cannot be read, and to say so.
fn check_unseen(is_refused: bool) {
    let maps = THREADED.heap_maps();
    assert_eq!(maps.unseen_heaps().len(), THREADED.statistics().unseen_heaps);
    assert_eq!(maps.unseen_heaps().is_empty(), !is_refused, "{:?}", maps.unseen_heaps());
}

/// Uses all available memory, and expects only failed calls to count as refused.
fn check_refused_requests() {
    let mut blocks = Vec::new();
    for size in [600, 16, 8] {
        blocks.extend(std::iter::from_fn(|| Block::new(&THREADED, size, 1)));
    }
    let small = blocks.iter().position(|block| block.layout.size() == 600).unwrap();
    let refused = || THREADED.statistics().refused_requests;
    let before = refused();
    // There is no other block for it to move to, so it shrinks in place.
    let shrunk = blocks.swap_remove(small).resize(&THREADED, 16);
    assert_eq!((shrunk.layout.size(), refused()), (16, before));
    let same = shrunk.resize(&THREADED, 1000);
    assert_eq!((same.layout.size(), refused()), (16, before + 1));
    same.free(&THREADED);
    blocks.into_iter().for_each(|block| block.free(&THREADED));
}

/// Uses the heaps without functions that need `membarrier` according to the documentation of `SystemTalloc`.
fn exercise_unseen(thread: &OtherThread) {
    for _ in 0..2 {
        use_many_addresses();
        assert_eq!(exercise(&THREADED, LARGEST, thread), BLOCKS + 3);
        assert_eq!(exercise(&LOCKED, 64 * MIB, thread), BLOCKS + 3);
        thread.run(|| THREADED.trim());
        THREADED.trim();
        LOCKED.trim();
    }
}

#[test]
#[ignore = "a process is started for it"]
fn refused() {
    let variable = env::var(VARIABLE).unwrap();
    let mut words = variable.split(' ');
    let mut next = || words.next().unwrap();
    let (name, instead, is_late) = (next(), next(), next() == "late");
    let call = CALLS.iter().find(|call| call.0 == name).unwrap().1;
    let thread = OtherThread::new();
    if is_late {
        exercise_all(&thread);
    }
    refuse(call, action(instead));
    if instead == "kill" {
        return exercise_unseen(&thread);
    }
    let counts = exercise_all(&thread);
    match name {
        "mmap" if !is_late => assert_eq!(counts, [0; 2]),
        "mprotect" if !is_late => assert!(counts[0] < BLOCKS / 2 && counts[1] < 2, "{counts:?}"),
        // The locked heap has released its addresses before.
        "mmap" | "mprotect" => {
            assert!(counts[0] > BLOCKS / 2, "{counts:?}");
            if name == "mprotect" {
                check_refused_requests();
            }
        }
        _ => {
            assert_eq!(counts, [BLOCKS + 3; 2]);
            check_purged(name == "madvise" && instead != PRETENDS.to_string());
            check_unseen(name == "membarrier");
        }
    }
}

/// Runs `refused` in a child process, which must succeed.
fn run(name: &str, instead: &str, when: &str) {
    let mut command = process::Command::new(env::current_exe().unwrap());
    command.args(["refused", "--exact", "--ignored", "--nocapture"]);
    let variable = format!("{name} {instead} {when}");
    let output = command.env(VARIABLE, &variable).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{variable}: {} {errors}", output.status);
}

#[test]
fn each_call_may_be_refused() {
    for (name, _) in CALLS {
        for error in ERRORS {
            for when in ["early", "late"] {
                run(name, &error.raw_os_error().to_string(), when);
            }
        }
    }
}

#[test]
fn memory_that_is_said_to_be_discarded_need_not_be_zero() {
    run("madvise", &PRETENDS.to_string(), "early");
}

#[test]
fn nobody_is_killed_for_a_barrier_that_was_not_asked_for() {
    for when in ["early", "late"] {
        run("membarrier", "kill", when);
    }
}
