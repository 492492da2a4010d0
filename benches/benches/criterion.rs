//! Single operations on every heap: `cargo bench -p talloc-benches --bench criterion -- [FILTER]`, where a filter is
//! part of `operation/case/heap`, as in `pair/64/talloc`.

use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use std::{
    alloc::Layout,
    cell::RefCell,
    hint::black_box,
    time::{Duration, Instant},
};
use talloc_benches::{
    heap::{Heap, Memory},
    registry::{self, Visitor},
};

/// Each heap's region: room for every batch of every operation.
const REGION: usize = 64 << 20;

/// Blocks in a batch of operations that cannot be repeated on the same block.
const BATCH: usize = 256;

/// Sizes of the pairs.
const SIZES: [usize; 6] = [16, 64, 256, 1024, 8192, 65536];

/// A heap with some blocks in use, and the region below it.
struct Subject<H> {
    heap: Box<H>,
    _memory: Memory,
}

impl<H: Heap> Subject<H> {
    fn new() -> Self {
        let mut memory = Memory::new(REGION);
        let mut heap = Box::new(H::empty());
        // SAFETY: the memory lives as long as the heap, which stays in its box.
        assert!(unsafe { heap.init(memory.first(REGION)) }, "{}", H::NAME);
        Self { heap, _memory: memory }
    }

    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: no layout here is empty.
        let block = unsafe { self.heap.alloc(layout) };
        assert!(!block.is_null(), "{}: no room", H::NAME);
        block
    }

    /// # Safety
    /// The block is live and has this layout.
    unsafe fn free(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.heap.dealloc(block, layout) }
    }

    /// # Safety
    /// The block is live and has this layout; the new size is not zero.
    unsafe fn realloc(&mut self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        let block = unsafe { self.heap.realloc(block, layout, new_size) };
        assert!(!block.is_null(), "{}: no room", H::NAME);
        block
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a small layout")
}

/// A block is allocated, written to and freed, again and again.
struct Pair<'a, 'c> {
    group: &'a mut BenchmarkGroup<'c, WallTime>,
    layout: Layout,
    case: usize,
    zeroed: bool,
}

impl Visitor for Pair<'_, '_> {
    fn visit<H: Heap>(&mut self) {
        let layout = self.layout;
        let zeroed = self.zeroed;
        self.group.bench_function(BenchmarkId::new(self.case.to_string(), H::NAME), |bencher| {
            let mut subject = Subject::<H>::new();
            bencher.iter(|| {
                let block = if zeroed {
                    // SAFETY: the layout is not empty.
                    unsafe { subject.heap.alloc_zeroed(black_box(layout)) }
                } else {
                    subject.alloc(black_box(layout))
                };
                assert!(!block.is_null());
                // SAFETY: the block is live, has room for a byte, and has this layout.
                unsafe {
                    block.write_volatile(1);
                    subject.free(block, black_box(layout));
                }
            });
        });
    }
}

/// Blocks are resized from one size to another, with room above each of them.
struct Resize<'a, 'c> {
    group: &'a mut BenchmarkGroup<'c, WallTime>,
    from: usize,
    to: usize,
}

impl Visitor for Resize<'_, '_> {
    fn visit<H: Heap>(&mut self) {
        let (from, to) = (layout(self.from, 8), layout(self.to, 8));
        let room = layout(from.size().max(to.size()), 8);
        let case = format!("{}-to-{}", from.size(), to.size());
        self.group.bench_function(BenchmarkId::new(case, H::NAME), |bencher| {
            let subject = RefCell::new(Subject::<H>::new());
            bencher.iter_custom(|iterations| {
                let prepare = || {
                    let mut subject = subject.borrow_mut();
                    let blocks: Vec<_> = (0..BATCH).map(|_| subject.alloc(room)).collect();
                    // SAFETY: the blocks are live and have this layout.
                    blocks
                        .into_iter()
                        .map(|block| unsafe { subject.realloc(block, room, from.size()) })
                        .collect()
                };
                let resize = |blocks: &mut Vec<*mut u8>| {
                    let mut subject = subject.borrow_mut();
                    for block in blocks {
                        // SAFETY: the blocks are live and have this layout.
                        *block = unsafe { subject.realloc(*block, from, black_box(to.size())) };
                    }
                };
                let clear = |blocks: Vec<*mut u8>| {
                    let mut subject = subject.borrow_mut();
                    // SAFETY: the blocks are live and have this layout.
                    blocks.into_iter().for_each(|block| unsafe { subject.free(block, to) });
                };
                batches(iterations, prepare, resize, clear)
            });
        });
    }
}

/// Runs an operation on whole batches and returns what `iterations` single operations would have taken.
fn batches<T>(
    iterations: u64,
    prepare: impl Fn() -> T,
    operation: impl Fn(&mut T),
    clear: impl Fn(T),
) -> Duration {
    let batches = iterations.div_ceil(BATCH as u64);
    let mut time = Duration::ZERO;
    for _ in 0..batches {
        let mut batch = prepare();
        let start = Instant::now();
        operation(&mut batch);
        time += start.elapsed();
        clear(batch);
    }
    time.mul_f64(iterations as f64 / (batches * BATCH as u64) as f64)
}

fn pairs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pair");
    for size in SIZES {
        registry::visit(&mut Pair {
            group: &mut group,
            layout: layout(size, 8),
            case: size,
            zeroed: false,
        });
    }
    group.finish();
}

fn aligned(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("aligned");
    for align in [16, 64, 4096] {
        registry::visit(&mut Pair {
            group: &mut group,
            layout: layout(200, align),
            case: align,
            zeroed: false,
        });
    }
    group.finish();
}

fn zeroed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("zeroed");
    for size in [64, 1024, 65536] {
        registry::visit(&mut Pair {
            group: &mut group,
            layout: layout(size, 8),
            case: size,
            zeroed: true,
        });
    }
    group.finish();
}

fn resize(criterion: &mut Criterion) {
    for (name, sizes) in
        [("grow", [(64, 128), (1024, 1536)]), ("shrink", [(128, 64), (1536, 1024)])]
    {
        let mut group = criterion.benchmark_group(name);
        for (from, to) in sizes {
            registry::visit(&mut Resize { group: &mut group, from, to });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(500));
    targets = pairs, aligned, zeroed, resize
}
criterion_main!(benches);
