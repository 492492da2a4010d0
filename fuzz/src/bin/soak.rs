//! Runs random scripts until the heap has been called a given number of times: `soak OPERATIONS SEED JOBS VERIFY_EVERY
//! LEVEL`.
//!
//! If the heap need not be verified after every operation, runs programs that make more calls in the same time.
//!
//! Script number `n` depends only on the seed, whatever the number of jobs.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use talloc_fuzz::supply::Kind;
use talloc_fuzz::{Failure, Mix, Profile, Script, Setup, brisk, check, sync};

/// The number of operations of a script.
const OPS: usize = 400;

/// The number of operations of a program whose heap is not verified after each of them.
const BRISK_OPS: u64 = 1 << 20;

/// One script in this many tests logical threads.
const SYNC: u64 = 8;

/// The interval between progress reports.
const PERIOD: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<u64> = args.iter().flat_map(|arg| arg.parse()).collect();
    let profiles = args.last().and_then(|level| Profile::of_level(level));
    let (&[operations, seed, jobs, every], Some(profiles)) = (&numbers[..], profiles) else {
        let levels: Vec<&str> = Profile::LEVELS.iter().map(|level| level.0).collect();
        eprintln!("usage: soak OPERATIONS SEED JOBS VERIFY_EVERY {}", levels.join("|"));
        return ExitCode::FAILURE;
    };
    let soak = Soak::new(operations, seed, every, profiles);
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| soak.work());
        }
    });
    soak.print_progress();
    match soak.failure.into_inner().expect("no thread has panicked") {
        None => ExitCode::SUCCESS,
        Some((number, failure)) => {
            eprintln!("script {number}, seed {seed}: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The state shared by all threads.
struct Soak {
    operations: u64,
    seed: u64,
    /// The number of operations between two verifications.
    every: u64,
    /// The parameters of heaps.
    profiles: &'static [Profile],
    start: Instant,
    /// The number of the next script.
    next: AtomicU64,
    /// The number of calls of heaps so far.
    calls: AtomicU64,
    printed: Mutex<Instant>,
    failure: Mutex<Option<(u64, Box<Failure>)>>,
}

impl Soak {
    fn new(operations: u64, seed: u64, every: u64, profiles: &'static [Profile]) -> Self {
        let start = Instant::now();
        Self {
            operations,
            seed,
            every,
            profiles,
            start,
            next: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            printed: Mutex::new(start),
            failure: Mutex::new(None),
        }
    }

    /// Runs scripts until there have been enough calls, or one has failed.
    fn work(&self) {
        while self.calls.load(Ordering::Relaxed) < self.operations {
            if self.failure.lock().expect("no thread panics").is_some() {
                return;
            }
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let left = self.operations.saturating_sub(self.calls.load(Ordering::Relaxed));
            match run(number, self, left) {
                Ok(calls) => self.calls.fetch_add(calls as u64, Ordering::Relaxed),
                Err(failure) => {
                    *self.failure.lock().expect("no thread panics") = Some((number, failure));
                    return;
                }
            };
            let mut printed = self.printed.lock().expect("no thread panics");
            if printed.elapsed() >= PERIOD {
                *printed = Instant::now();
                self.print_progress();
            }
        }
    }

    fn print_progress(&self) {
        let calls = self.calls.load(Ordering::Relaxed);
        let seconds = self.start.elapsed().as_secs_f64();
        let scripts = self.next.load(Ordering::Relaxed);
        let speed = calls as f64 / seconds;
        println!("{calls} operations, {scripts} scripts, {seconds:.0} s, {speed:.0} operations/s");
    }
}

/// Runs a script. Its number determines its kind. A program has at most `left` operations.
fn run(number: u64, soak: &Soak, left: u64) -> Result<usize, Box<Failure>> {
    let profiles = soak.profiles;
    let mut random = fastrand::Rng::with_seed(soak.seed.wrapping_add(number));
    let seed = random.u64(..);
    if soak.every > 1 {
        let profile = profiles[number as usize % profiles.len()];
        return brisk::run(profile, seed, left.min(BRISK_OPS) as usize, soak.every as usize);
    }
    if number % SYNC == 0 {
        let setup = sync_setup(&mut random, profiles);
        return sync::check(&sync::Script::random(setup, seed, OPS));
    }
    let setup = Setup {
        profile: one_of(&mut random, profiles),
        size: one_of(&mut random, &Setup::SIZES),
        skew: random.usize(..24),
        source: one_of(&mut random, &Kind::ALL),
        max_arenas: random.usize(1..9),
    };
    check(&Script::random(setup, one_of(&mut random, &Mix::ALL), seed, OPS))
}

fn sync_setup(random: &mut fastrand::Rng, profiles: &[Profile]) -> sync::Setup {
    sync::Setup {
        profile: one_of(random, profiles),
        form: one_of(random, &sync::Form::ALL),
        size: one_of(random, &sync::Setup::SIZES),
        skew: random.usize(..24),
        further: random.usize(..4),
        zeroed: random.bool(),
        threads: random.usize(1..5),
    }
}

fn one_of<T: Copy>(random: &mut fastrand::Rng, all: &[T]) -> T {
    all[random.usize(..all.len())]
}
