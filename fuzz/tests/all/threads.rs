//! Real threads that allocate from one heap, and free and resize each other's blocks.
//!
//! The interleaving differs from run to run. The checks hold for all of them.

use std::alloc::Layout;
use std::ptr::{self, NonNull};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use allocator_api2::alloc::Allocator;
use talloc_fuzz::{Pool, pattern};
use talloc_sync::lock::{Backoff, RawMutex, Spin};
use talloc_sync::{Compact, Config, RealTime, Talloc, Tallock, TallockRef};

const THREADS: usize = 4;

/// The number of steps of each thread.
const STEPS: usize = 100_000;

/// The number of blocks that can wait for a thread. All of them together must not fill the heap.
const INBOX: usize = 16;

/// A block with a pattern, which is passed between threads.
struct Block {
    seed: usize,
    ptr: NonNull<u8>,
    layout: Layout,
}

// SAFETY: The value owns its bytes, and no other pointer to them exists.
unsafe impl Send for Block {}

impl Block {
    /// Allocates a block, if there is room. If `zeroed`, checks that it is zero.
    fn new(heap: impl Allocator, seed: usize, layout: Layout, zeroed: bool) -> Option<Self> {
        let allocated = if zeroed { heap.allocate_zeroed(layout) } else { heap.allocate(layout) };
        let mut block = Self { seed, ptr: allocated.ok()?.cast(), layout };
        // SAFETY: The write is within the block.
        unsafe { block.ptr.write_bytes(0, if zeroed { 0 } else { layout.size() }) };
        block.fill(0);
        Some(block)
    }

    /// Resizes the block, if there is room.
    fn resize(&mut self, heap: impl Allocator, layout: Layout) {
        self.check(self.layout.size());
        let old = std::mem::replace(&mut self.layout, layout);
        // SAFETY: The block is allocated with the old layout.
        let resized = unsafe {
            if layout.size() < old.size() {
                heap.shrink(self.ptr, old, layout)
            } else {
                heap.grow_zeroed(self.ptr, old, layout)
            }
        };
        match resized {
            Ok(block) => {
                self.ptr = block.cast();
                self.check(old.size().min(layout.size()));
                self.fill(old.size());
            }
            Err(_) => {
                self.layout = old;
                self.check(old.size());
            }
        }
    }

    fn free(mut self, heap: impl Allocator) {
        self.check(self.layout.size());
        // SAFETY: The block is allocated with this layout, and is freed once.
        unsafe { heap.deallocate(self.ptr, self.layout) };
    }

    /// Writes the pattern from byte `start` on, where all bytes must be zero.
    fn fill(&mut self, start: usize) {
        let seed = self.seed;
        if let Some(rest) = self.bytes().get_mut(start..) {
            assert!(rest.iter().all(|byte| *byte == 0), "a block is not zero");
            pattern::write(seed, start, rest);
        }
    }

    /// Checks the pattern up to byte `end`.
    fn check(&mut self, end: usize) {
        assert_eq!(self.ptr.addr().get() % self.layout.align(), 0, "a block is misaligned");
        let seed = self.seed;
        let different = pattern::difference(seed, 0, &self.bytes()[..end]);
        assert_eq!(different, None, "a block was overwritten");
    }

    fn bytes(&mut self) -> &mut [u8] {
        let bytes = ptr::slice_from_raw_parts_mut(self.ptr.as_ptr(), self.layout.size());
        // SAFETY: The bytes belong to the block, and are initialised.
        unsafe { &mut *bytes }
    }
}

/// Returns a random layout.
fn layout(random: &mut fastrand::Rng) -> Layout {
    let most = if random.u8(..8) == 0 { 3000 } else { 200 };
    let size = random.usize(1..=most);
    let align = 1 << if random.u8(..4) == 0 { random.usize(..9) } else { 3 };
    Layout::from_size_align(size, align).expect("the size is small")
}

/// Sends a block to another thread, or frees it if that has enough to do.
fn hand_over(heap: impl Allocator, block: Block, other: &SyncSender<Block>) {
    if let Err(TrySendError::Full(block) | TrySendError::Disconnected(block)) =
        other.try_send(block)
    {
        block.free(heap);
    }
}

/// Allocates, resizes and frees blocks, and sends some to other threads. Returns the number of blocks received.
fn work(
    heap: impl Allocator,
    seed: usize,
    inbox: &Receiver<Block>,
    others: &[SyncSender<Block>],
) -> usize {
    let mut received = 0;
    let mut random = fastrand::Rng::with_seed(seed as u64);
    let mut blocks = Vec::new();
    for step in 0..STEPS {
        match random.u8(..8) {
            0..3 => {
                let (seed, zeroed) = (seed * STEPS + step, random.bool());
                blocks.extend(Block::new(&heap, seed, layout(&mut random), zeroed));
            }
            3 => blocks.extend(inbox.try_iter().inspect(|_| received += 1)),
            _ if blocks.is_empty() => {}
            4 => {
                let index = random.usize(..blocks.len());
                blocks[index].resize(&heap, layout(&mut random));
            }
            5 => {
                let block = blocks.swap_remove(random.usize(..blocks.len()));
                let other = &others[random.usize(..others.len())];
                hand_over(&heap, block, other);
            }
            _ => blocks.swap_remove(random.usize(..blocks.len())).free(&heap),
        }
    }
    // Other threads free the remaining blocks, as long as there are any.
    for (number, block) in blocks.into_iter().enumerate() {
        hand_over(&heap, block, &others[number % others.len()]);
    }
    received
}

/// Runs threads on one heap, frees the remaining blocks, and expects a single free chunk.
fn share<R: RawMutex + Send + Sync, C: Config>() {
    // The pool has room for a few hundred blocks, so the heap is full at times.
    let pool = Pool::new(64 << 10);
    let heap = Talloc::<C>::with_config().lock::<R>();
    // SAFETY: Nothing else uses the pool, and it outlives the heap.
    unsafe { heap.0.lock().init(pool.span()) };
    let (senders, mut inboxes): (Vec<_>, Vec<_>) =
        (0..THREADS).map(|_| sync_channel(INBOX)).unzip();
    let received: usize = thread::scope(|scope| {
        let mut threads = Vec::new();
        for (seed, inbox) in inboxes.iter_mut().enumerate() {
            let (heap, senders) = (&heap, senders.clone());
            threads
                .push(scope.spawn(move || work(heap.allocator_api_ref(), seed, inbox, &senders)));
        }
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).sum()
    });
    println!("{received} blocks were handed over");
    assert!(received > 1000, "{received} blocks handed over are too few");
    for block in inboxes.iter().flat_map(Receiver::try_iter) {
        block.free(heap.allocator_api_ref());
    }
    check_whole(&heap);
    let outside = pool.whole().except(pool.span());
    pool.check(outside.0).and_then(|()| pool.check(outside.1)).expect("nothing else was written");
}

/// Checks that all memory is free and coalesced, and can be allocated in one piece.
fn check_whole<R: RawMutex, C: Config>(heap: &Tallock<R, C>) {
    heap.0.lock().flush();
    let report = heap.0.lock().verify().unwrap_or_else(|violation| panic!("{violation}"));
    assert_eq!((report.used_bytes, report.free_chunks), (0, 1), "{report:?}");
    let whole =
        Layout::from_size_align(report.largest_free_bytes, 8).expect("the chunk is in the pool");
    let block = Block::new(TallockRef(heap), 1, whole, true).expect("all of it is free");
    block.free(TallockRef(heap));
}

#[test]
fn behind_a_spin_lock() {
    share::<Spin, Compact>();
}

#[test]
fn behind_a_lock_with_backoff() {
    share::<Backoff, RealTime>();
}
