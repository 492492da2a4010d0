//! Many faults of a class, in child processes.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::FromRawFd;
use std::panic;

use super::class::Class;
use super::level::Level;
use super::outcome::{Outcome, Verdict};
use super::tally::Tally;

/// The number of programs that one process runs, unless a fault damages it.
const BATCH: u64 = 64;

/// The CPU time for one program in microseconds. A heap that takes longer is considered to be in an endless loop. Heaps
/// without checks often are.
const PATIENCE: i64 = if cfg!(debug_assertions) { 200_000 } else { 20_000 };

/// The factor by which a heap with checks may take longer, because it must not be considered to be in a loop by
/// mistake.
const MORE_PATIENCE: i64 = 10;

/// The largest number of programs to try for one fault, because some give no opportunity for it.
const TRIES: u64 = 20;

/// The start of the line with the size and the distance of a planted fault.
const PLANTED: &str = "planted ";

/// Runs the program of a seed, and calls the function when the fault is planted.
trait Run: Fn(u64, &mut dyn FnMut(usize, usize)) -> Outcome {}

impl<F: Fn(u64, &mut dyn FnMut(usize, usize)) -> Outcome> Run for F {}

/// Plants `count` faults of a class in programs with consecutive seeds from `first` on.
///
/// Forks, so the process must have only one thread.
///
/// # Panics
///
/// If the system refuses a process or a pipe.
pub fn many(level: &Level, class: Class, first: u64, count: usize) -> Tally {
    panic::set_hook(Box::new(|_| {}));
    let mut tally = Tally::default();
    let mut seed = first;
    let last = first + TRIES * count as u64;
    while tally.all.planted < count && seed < last {
        let left = (count - tally.all.planted) as u64;
        let inject =
            |seed, on_planted: &mut dyn FnMut(usize, usize)| level.inject(class, seed, on_planted);
        let patience = if level.is_checked { PATIENCE * MORE_PATIENCE } else { PATIENCE };
        for outcome in batch(seed, left.min(BATCH), patience, inject) {
            tally.add(seed, outcome);
            seed += 1;
        }
    }
    drop(panic::take_hook());
    tally
}

/// Runs up to `count` programs in a child process, and at least one.
fn batch(first: u64, count: u64, patience: i64, run: impl Run) -> Vec<Outcome> {
    let mut ends = [0; 2];
    // SAFETY: The array has room for the two ends.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0, "the system refuses a pipe");
    // SAFETY: The ends are open, and nothing else owns them.
    let (read, write) = unsafe { ends.map(|end| File::from_raw_fd(end)).into() };
    // SAFETY: The process has one thread, so no other thread holds a lock.
    match unsafe { libc::fork() } {
        0 => {
            drop(read);
            child(first, count, patience, write, run)
        }
        pid => {
            assert!(pid > 0, "the system refuses a process");
            drop(write);
            parent(pid, read)
        }
    }
}

/// Runs programs up to the first whose fault did damage, and writes their outcomes.
fn child(first: u64, count: u64, patience: i64, write: File, run: impl Run) -> ! {
    silence();
    for seed in first..first + count {
        set_timer(patience);
        let outcome = run(seed, &mut |size, distance| {
            // If the parent does not read the pipe, the line is not needed.
            let _ = writeln!(&write, "{PLANTED}{size} {distance}");
        });
        if writeln!(&write, "{outcome}").is_err() || outcome.is_dirty() {
            break;
        }
    }
    // SAFETY: Nothing needs to be cleaned up. The parent's destructors and buffers must not run here.
    unsafe { libc::_exit(0) }
}

/// Reads the outcomes of the programs. The last program may have terminated the process.
fn parent(pid: libc::pid_t, read: File) -> Vec<Outcome> {
    let (mut outcomes, mut planted) = (Vec::new(), (0, 0));
    for line in BufReader::new(read).lines().map_while(Result::ok) {
        match (line.strip_prefix(PLANTED).and_then(pair), Outcome::parse(&line)) {
            (Some(pair), _) => planted = pair,
            (None, Some(outcome)) => outcomes.push(outcome),
            (None, None) => break,
        }
    }
    let mut status = 0;
    // SAFETY: The status is writable.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid, "the child can be awaited");
    if status != 0 {
        let why = match libc::WTERMSIG(status) {
            0 => format!("the process exited with {}", libc::WEXITSTATUS(status)),
            libc::SIGVTALRM => "looped forever".into(),
            signal => format!("signal {signal}"),
        };
        let (size, distance) = planted;
        outcomes.push(Outcome { size, distance, ..Outcome::with_message(Verdict::Crashed, why) });
    }
    outcomes
}

/// Parses two numbers.
fn pair(text: &str) -> Option<(usize, usize)> {
    let (size, distance) = text.split_once(' ')?;
    Some((size.parse().ok()?, distance.parse().ok()?))
}

/// Makes the process print nothing, and leave no core file when it dies.
fn silence() {
    let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: The path is a C string, and the limit is only read.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY);
        libc::dup2(null, libc::STDERR_FILENO);
    }
}

/// Terminates the process after this much CPU time in microseconds.
fn set_timer(micros: i64) {
    let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let timer = libc::itimerval {
        it_interval: never,
        it_value: libc::timeval {
            tv_sec: (micros / 1_000_000) as libc::time_t,
            tv_usec: (micros % 1_000_000) as libc::suseconds_t,
        },
    };
    // SAFETY: The new timer is only read, and the old one is not requested.
    unsafe { libc::setitimer(libc::ITIMER_VIRTUAL, &raw const timer, std::ptr::null_mut()) };
}
