//! `Traced` records what happens.
#![cfg(all(feature = "std", feature = "traced"))]

#[path = "../../talloc-core/tests/all/common/program.rs"]
mod program;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use talloc_trace::{Bare, Context, Event, Hosted, IoSink, Live, Op, Reader, Sink, Traced};

type Lock = spin::mutex::SpinMutex<(), spin::Yield>;
type ToMemory<A, C = Hosted> = Traced<A, IoSink<Vec<u8>>, Lock, C>;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn start<A, C: Context, const FRAMES: usize>(heap: &Traced<A, IoSink<Vec<u8>>, Lock, C, FRAMES>) {
    assert!(heap.start(IoSink::new(vec![])).is_ok());
}

fn stop<A, C: Context, const FRAMES: usize>(
    heap: &Traced<A, IoSink<Vec<u8>>, Lock, C, FRAMES>,
) -> Vec<u8> {
    heap.stop().unwrap().finish().unwrap()
}

/// Returns the events of a trace, and checks that objects are used correctly.
fn events(file: &[u8]) -> Vec<Event> {
    let mut live = Live::new();
    let events = Reader::new(file).unwrap().map(Result::unwrap);
    events.inspect(|event| _ = live.apply(event).unwrap()).collect()
}

fn ops(file: &[u8]) -> Vec<Op> {
    events(file).iter().map(|event| event.op).collect()
}

#[test]
fn every_call_is_an_event() {
    /// Refuses requests larger than a page.
    struct Small;

    // SAFETY: It delegates to `System`, or fails.
    unsafe impl GlobalAlloc for Small {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if layout.size() > 4096 {
                return std::ptr::null_mut();
            }
            // SAFETY: The caller upholds the contract of `GlobalAlloc::alloc`.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
            // SAFETY: The caller upholds the contract of `GlobalAlloc::dealloc`.
            unsafe { System.dealloc(ptr, layout) }
        }
    }

    let heap: ToMemory<Small> = Traced::new(Small);
    // SAFETY: Each block is used with its layout while it is live.
    let (first, second) = unsafe {
        let unseen = heap.alloc(layout(1, 1));
        start(&heap);
        heap.dealloc(unseen, layout(1, 1));
        let first = heap.alloc(layout(40, 8));
        let second = heap.alloc_zeroed(layout(64, 64));
        assert!(heap.alloc(layout(5000, 8)).is_null());
        let first = heap.realloc(first, layout(40, 8), 400);
        assert!(heap.realloc(first, layout(400, 8), 5000).is_null());
        heap.dealloc(second, layout(64, 64));
        (first, second)
    };
    let file = stop(&heap);
    // SAFETY: The block is live, and has this layout.
    unsafe { heap.dealloc(first, layout(400, 8)) };

    let address = |ptr: *mut u8| ptr.addr() as u64;
    let events = events(&file);
    let Op::Alloc { id: 0, size: 40, zeroed: false, .. } = events[0].op else {
        panic!("{events:?}");
    };
    let rest: Vec<_> = events[1..].iter().map(|event| event.op).collect();
    assert_eq!(
        rest,
        [
            Op::Alloc { id: 1, size: 64, zeroed: true, address: address(second) },
            Op::Refused { size: 5000 },
            Op::Realloc { id: 0, size: 400, address: address(first) },
            Op::Refused { size: 5000 },
            Op::Free { id: 1 },
        ]
    );
    assert_eq!((events[0].align_log2, events[1].align_log2), (None, Some(6)));
    assert!(events.windows(2).all(|pair| pair[0].time <= pair[1].time));
    assert_eq!(heap.lost(), 0);
    let mut reader = Reader::new(file.as_slice()).unwrap();
    while reader.next_event().unwrap().is_some() {}
    assert_eq!(reader.unknown_frees(), 1);
}

#[test]
fn threads_that_exchange_blocks_record_a_valid_order() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 2000;
    let heap: ToMemory<System> = Traced::new(System);
    start(&heap);
    let blocks: Vec<AtomicUsize> = (0..16).map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (heap, blocks) = (&heap, &blocks);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let slot = &blocks[(round * 7 + thread) % blocks.len()];
                    // SAFETY: A thread that takes a block out of a slot owns it. Blocks in slots have 32 bytes.
                    unsafe {
                        let new = heap.alloc(layout(16, 8));
                        let new = heap.realloc(new, layout(16, 8), 32).expose_provenance();
                        let old = slot.swap(new, Relaxed);
                        if old != 0 {
                            let old = std::ptr::with_exposed_provenance_mut(old);
                            heap.dealloc(old, layout(32, 8));
                        }
                    }
                }
            });
        }
    });
    let file = stop(&heap);
    assert_eq!(heap.lost(), 0);
    let mut live = Live::new();
    let mut threads = std::collections::BTreeSet::new();
    for event in events(&file) {
        live.apply(&event).unwrap();
        threads.insert(event.thread);
    }
    let left = blocks.iter().filter(|block| block.load(Relaxed) != 0).count();
    assert_eq!((live.len(), live.bytes(), threads.len()), (left, 32 * left as u64, THREADS));
    for block in blocks {
        let ptr: *mut u8 = std::ptr::with_exposed_provenance_mut(block.into_inner());
        // SAFETY: The block is live, and has this layout.
        unsafe { heap.dealloc(ptr, layout(32, 8)) };
    }
}

/// A sink that allocates from the heap that it records. It accepts records while it has room.
struct Greedy {
    heap: &'static Traced<System, Greedy, Lock, Hosted>,
    file: Vec<u8>,
    room: usize,
}

impl Sink for Greedy {
    fn write(&mut self, bytes: &[u8]) -> bool {
        // SAFETY: The block is freed at once, with its layout.
        unsafe {
            let block = self.heap.alloc(layout(8, 8));
            assert!(!block.is_null());
            self.heap.dealloc(block, layout(8, 8));
        }
        let takes = self.room >= bytes.len();
        if takes {
            self.file.extend(bytes);
            self.room -= bytes.len();
        }
        takes
    }
}

#[test]
fn a_sink_that_allocates_does_not_recurse_and_lost_events_are_counted() {
    static HEAP: Traced<System, Greedy, Lock, Hosted> = Traced::new(System);
    assert!(HEAP.start(Greedy { heap: &HEAP, file: vec![], room: usize::MAX }).is_ok());
    // SAFETY: The block is live, and freed once with its layout.
    unsafe {
        let block = HEAP.alloc(layout(40, 8));
        HEAP.dealloc(block, layout(40, 8));
    }
    let file = HEAP.stop().unwrap().file;
    let lost: Vec<_> = ops(&file).into_iter().filter(|op| matches!(op, Op::Lost { .. })).collect();
    // The write of the allocation loses two events. Then the write of the note loses two, and that of the free two.
    assert_eq!(lost, [Op::Lost { count: 2 }, Op::Lost { count: 4 }]);
    assert_eq!(HEAP.lost(), 6);
}

/// A sink that fails every other time.
struct Fickle {
    file: Vec<u8>,
    calls: usize,
}

impl Sink for Fickle {
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.calls += 1;
        let takes = self.calls % 3 != 0;
        if takes {
            self.file.extend(bytes);
        }
        takes
    }
}

#[test]
fn no_event_is_lost_silently() {
    let heap: Traced<System, Fickle, Lock> = Traced::new(System);
    assert!(heap.start(Fickle { file: vec![], calls: 0 }).is_ok());
    let mut blocks = vec![];
    for size in 1..100 {
        // SAFETY: The size is not zero.
        blocks.push((unsafe { heap.alloc(layout(size, 1)) }, layout(size, 1)));
    }
    for (block, layout) in blocks {
        // SAFETY: The block is live, and has this layout.
        unsafe { heap.dealloc(block, layout) };
    }
    let calls = 198;
    let file = heap.stop().unwrap().file;
    let mut reader = Reader::new(file.as_slice()).unwrap().partial(true);
    let told = reader.by_ref().map(Result::unwrap);
    let told = told.filter(|event| matches!(event.op, Op::Alloc { .. } | Op::Free { .. })).count();
    // The end of the trace and events after the last note may be lost, too.
    assert!(reader.lost() > 0);
    let unknown = reader.unknown_frees() as usize;
    let (lost, noted) = (heap.lost(), reader.lost() as usize);
    assert!((told + unknown + lost).abs_diff(calls) <= 1, "{told} {unknown} {lost}");
    assert!(noted <= lost && lost - noted <= 2, "{noted} {lost}");
}

#[test]
fn an_interrupt_handler_that_allocates_is_counted_and_does_not_wait() {
    thread_local! {
        static INTERRUPTS: Cell<bool> = const { Cell::new(false) };
    }
    static HEAP: Traced<System, Interrupted, Lock, Bare> = Traced::new(System);
    struct Interrupted(Vec<u8>);

    impl Sink for Interrupted {
        fn write(&mut self, bytes: &[u8]) -> bool {
            if INTERRUPTS.replace(false) {
                // SAFETY: The block is freed at once, with its layout.
                unsafe { HEAP.dealloc(HEAP.alloc(layout(8, 8)), layout(8, 8)) };
            }
            self.0.extend(bytes);
            true
        }
    }

    assert!(HEAP.start(Interrupted(vec![])).is_ok());
    assert!(HEAP.start(Interrupted(vec![])).is_err(), "a trace is being recorded");
    INTERRUPTS.set(true);
    // SAFETY: The block is freed at once, with its layout.
    unsafe { HEAP.dealloc(HEAP.alloc(layout(40, 8)), layout(40, 8)) };
    let file = HEAP.stop().unwrap().0;
    assert!(HEAP.stop().is_none());
    assert_eq!(HEAP.lost(), 2);
    assert!(matches!(
        ops(&file)[..],
        [Op::Alloc { size: 40, .. }, Op::Lost { count: 2 }, Op::Free { id: 0 }]
    ));
}

#[test]
#[cfg(all(feature = "backtrace", not(windows)))]
fn call_stacks_differ_by_call_site() {
    type Heap = Traced<System, IoSink<Vec<u8>>, Lock, talloc_trace::Backtraces, 32>;

    #[inline(never)]
    fn here(heap: &Heap) -> *mut u8 {
        // SAFETY: The size is not zero. The black box prevents a tail call.
        std::hint::black_box(unsafe { heap.alloc(layout(16, 8)) })
    }

    #[inline(never)]
    fn there(heap: &Heap) -> *mut u8 {
        // SAFETY: The size is not zero. The black box prevents a tail call.
        std::hint::black_box(unsafe { heap.alloc_zeroed(layout(16, 8)) })
    }

    let heap: Heap = Traced::new(System);
    start(&heap);
    let calls: Vec<fn(&Heap) -> *mut u8> = std::hint::black_box(vec![here, here, here, there]);
    let blocks: Vec<_> = calls.iter().map(|call| call(&heap)).collect();
    let file = stop(&heap);
    let mut reader = Reader::new(file.as_slice()).unwrap();
    let events: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    let sites: Vec<_> = events
        .iter()
        .filter(|event| matches!(event.op, Op::Alloc { .. }))
        .map(|e| e.site)
        .collect();
    assert!(sites[0].is_some() && sites[0] == sites[1] && sites[1] == sites[2], "{sites:?}");
    assert_ne!(sites[2], sites[3]);
    assert!(reader.sites().frames(sites[3].unwrap()).len() > 2);
    for block in blocks {
        // SAFETY: The block is live, and has this layout.
        unsafe { heap.dealloc(block, layout(16, 8)) };
    }
}

/// The environment variable with the function that panics in the child process.
const CHILD: &str = "TALLOC_TEST_PANICS";

/// A context and a sink whose functions may all panic.
struct Explosive;

impl Explosive {
    const FUNCTIONS: [&str; 5] = ["enter", "leave", "thread", "time", "write"];

    /// Panics if this function is the selected one.
    fn call(name: &str) {
        if ARMED.get() {
            assert_ne!(std::env::var(CHILD).as_deref(), Ok(name), "no more of this");
        }
    }
}

std::thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
}

impl Context for Explosive {
    fn enter() -> bool {
        Self::call("enter");
        true
    }

    fn leave() {
        Self::call("leave");
    }

    fn thread() -> u64 {
        Self::call("thread");
        0
    }

    fn time() -> u64 {
        Self::call("time");
        0
    }
}

impl Sink for Explosive {
    fn write(&mut self, _: &[u8]) -> bool {
        Self::call("write");
        true
    }
}

#[test]
fn nothing_unwinds_out_of_the_allocator() {
    const TEST: &str = "nothing_unwinds_out_of_the_allocator";
    if std::env::var_os(CHILD).is_some() {
        let heap: Traced<System, Explosive, Lock, Explosive> = Traced::new(System);
        assert!(heap.start(Explosive).is_ok());
        ARMED.set(true);
        // SAFETY: The size is not zero.
        let allocate = || unsafe { heap.alloc(layout(40, 8)) };
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(allocate));
        println!("the call has returned");
        std::process::exit(0);
    }
    for name in Explosive::FUNCTIONS {
        let output = program::this_program()
            .args(["--exact", TEST, "--nocapture"])
            .env(CHILD, name)
            .output()
            .unwrap();
        let (out, err) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success(), "{name}: {}", String::from_utf8_lossy(out));
        assert!(err.contains("no more of this"), "{name}: {err}");
        assert!(err.contains("a sink or a context has panicked"), "{name}: {err}");
    }
}
