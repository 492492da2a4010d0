//! The same heap behind each lock.

use super::{
    heaps::Locked,
    work::{Block, Load, Work},
};
use crate::{
    heap::{Heap, Memory},
    heaps::Talloc,
    report::{self, Csv, Table},
    sizes::Sizes,
    timing::median,
};
use anyhow::Result;
use lock_api::RawMutex;
use std::{
    alloc::GlobalAlloc,
    ptr::NonNull,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};
use talloc_sync::{
    Compact, TallocCritical,
    lock::{Backoff, Spin, Ticket},
};

/// Memory of the heap.
const MEMORY: usize = 64 << 20;

/// The blocks' sizes.
const SIZES: Sizes = Sizes::Uniform(1, 256);

/// Blocks that a thread may have at a time.
const BLOCKS: usize = 1000;

#[derive(clap::Args)]
pub struct Args {
    /// Numbers of threads.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = [1, 2, 4, 8])]
    threads: Vec<usize>,
    /// Milliseconds for which to use each lock. The number of calls is not fixed, because a fair lock with more threads
    /// than cores is too slow for it.
    #[arg(long, default_value_t = 200)]
    milliseconds: u64,
    /// How often each lock runs; the median counts.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Three rounds.
    #[arg(long)]
    quick: bool,
}

/// A lock with the heap.
struct Lock {
    name: &'static str,
    run: fn(&Args, usize, NonNull<[u8]>) -> Took,
}

/// Seconds per call, by the clock and of all processors.
type Took = [f64; 2];

/// The locks in the order of the table's columns.
static LOCKS: &[Lock] = &[
    Lock { name: "Spin", run: behind::<Spin> },
    Lock { name: "Backoff", run: behind::<Backoff> },
    Lock { name: "Ticket", run: behind::<Ticket> },
    Lock { name: "parking_lot", run: behind::<parking_lot::RawMutex> },
    Lock { name: "SystemLock", run: behind::<talloc_global::source::SystemLock> },
    Lock { name: "TallocCritical", run: in_critical_sections },
];

/// Measures the heap behind each lock, prints tables, and writes every round to `results/locks.csv`.
///
/// # Errors
/// If the results cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let rounds = if args.quick { 3 } else { args.rounds };
    let names: Vec<_> = LOCKS.iter().map(|lock| lock.name).collect();
    let table = |title: &str| Table::new(title, names.clone(), 0).without_means();
    let mut tables = [
        table("Nanoseconds per call, by the clock, of all threads together"),
        table("Nanoseconds of all processors per call"),
    ];
    let columns = ["threads", "lock", "round", "seconds_per_call", "processor_seconds_per_call"];
    let mut csv = Csv::create("locks", &columns)?;
    let mut memory = Memory::new(MEMORY);
    for &threads in &args.threads {
        let mut times = vec![Vec::new(); LOCKS.len()];
        for round in 0..rounds {
            for (lock, times) in LOCKS.iter().zip(&mut times) {
                let took = (lock.run)(args, threads, memory.first(usize::MAX));
                let [threads, round] = [threads, round].map(|number| number.to_string());
                let [wall, processors] = took.map(|seconds| seconds.to_string());
                csv.push(&[&threads, lock.name, &round, &wall, &processors])?;
                times.push(took);
            }
        }
        for (part, table) in tables.iter_mut().enumerate() {
            let part = |times: &Vec<Took>| times.iter().map(|took| took[part] * 1e9).collect();
            let cells = times.iter().map(part).map(|times: Vec<_>| median(&times)).collect();
            table.push(&format!("{threads} thread{}", if threads == 1 { "" } else { "s" }), cells);
        }
    }
    csv.finish()?;
    tables.iter().for_each(|table| println!("{}", table.markdown()));
    report::save("locks", &tables)
}

fn behind<R: RawMutex + Send + Sync>(args: &Args, threads: usize, memory: NonNull<[u8]>) -> Took {
    let heap = Box::new(Locked::<_, R>::new(Talloc::<Compact>::empty()));
    // SAFETY: The memory is lent for the call, and the heap stays where it is.
    assert!(unsafe { heap.0.lock().init(memory) }, "the memory is too small");
    work(args, threads, &*heap)
}

fn in_critical_sections(args: &Args, threads: usize, memory: NonNull<[u8]>) -> Took {
    let heap = Box::new(TallocCritical::<Compact>::new(talloc_sync::Talloc::new()));
    // SAFETY: The memory is lent for the call.
    unsafe { heap.with(|heap| heap.init(memory.into())) };
    work(args, threads, &*heap)
}

/// Lets threads allocate and free at random until the time is over.
fn work<H: GlobalAlloc + Sync>(args: &Args, threads: usize, heap: &H) -> Took {
    let load = Load { work: Work::Random, threads, calls: 0, sizes: SIZES };
    let (stop, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let cost = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(args.milliseconds));
            stop.store(true, Relaxed);
        });
        load.start(vec![(); threads], |thread, ()| {
            let mut random = fastrand::Rng::with_seed(thread as u64);
            let mut blocks: Vec<Option<Block>> = (0..BLOCKS).map(|_| None).collect();
            let mut count = 0;
            while !stop.load(Relaxed) {
                let place = &mut blocks[random.usize(..BLOCKS)];
                match place.take() {
                    Some(block) => block.free(heap),
                    None => *place = Some(Block::new(heap, load.size(&mut random), count as u8)),
                }
                count += 1;
            }
            calls.fetch_add(count, Relaxed);
            // The remaining blocks are dropped with the heap.
        })
    });
    let calls = calls.into_inner().max(1) as f64;
    [cost.wall, cost.processors].map(|time| time.as_secs_f64() / calls)
}
