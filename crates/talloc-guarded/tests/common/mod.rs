//! Runs a test in a child process, and collects its reports.
#![allow(dead_code)]

pub mod arena;
pub mod random;
#[cfg(all(target_arch = "aarch64", target_os = "linux"))]
pub mod tags;

use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::num::NonZeroUsize;
use std::process::{Command, Output};
use std::sync::Mutex;

use talloc_guarded::{Guarded, Reaction, Report};

/// Guards every block.
pub const ALL: Option<NonZeroUsize> = Some(NonZeroUsize::MIN);

/// The environment variable with the name of the test that the child runs.
const VARIABLE: &str = "TALLOC_GUARDED_CHILD";

/// Runs `body` in a child process, which runs only the calling test, `name`. Returns the child's output, or `None` in
/// the child.
pub fn in_child(name: &str, body: impl FnOnce()) -> Option<Output> {
    if env::var(VARIABLE).is_ok_and(|test| test == name) {
        body();
        return None;
    }
    let output = child(name).output().unwrap();
    Some(output)
}

/// Runs `body` in a child process, which must succeed.
pub fn succeeds(name: &str, body: impl FnOnce()) {
    if let Some(output) = in_child(name, body) {
        assert!(output.status.success(), "{}", text(&output));
    }
}

/// Returns the command that runs a test in a child process.
pub fn child(name: &str) -> Command {
    let program = env::current_exe().unwrap();
    let mut command = match env::var("TALLOC_TEST_RUNNER") {
        Ok(runner) => {
            let mut words = runner.split(' ');
            let mut command = Command::new(words.next().unwrap());
            command.args(words).arg(program);
            command
        }
        Err(_) => Command::new(program),
    };
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(VARIABLE, name);
    command
}

/// Returns everything that a child printed.
pub fn text(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!(
        "{:?}\n{}{}",
        output.status,
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(error)
    )
}

/// The reports passed to [`note`]. It has enough capacity, so nothing is allocated.
static REPORTS: Mutex<Vec<Report>> = Mutex::new(Vec::new());

/// Installs a report handler that records reports and continues.
pub fn note_reports() {
    fn note(report: &Report) -> Reaction {
        let mut reports = REPORTS.lock().unwrap();
        assert!(reports.len() < reports.capacity());
        reports.push(*report);
        Reaction::Continue
    }

    REPORTS.lock().unwrap().reserve(1000);
    talloc_guarded::set_handler(note);
}

/// Returns the reports since the last call.
pub fn reports() -> Vec<Report> {
    let mut reports = REPORTS.lock().unwrap();
    let new = reports.to_vec();
    reports.clear();
    new
}

/// Returns the only report since the last call.
#[track_caller]
pub fn report() -> Report {
    let reports = reports();
    let [report] = reports[..] else { panic!("{} reports: {reports:?}", reports.len()) };
    report
}

pub fn page() -> usize {
    rustix::param::page_size()
}

/// Allocates a guarded block at the end of its pages. It is not inlined, so that it appears in call stacks.
#[inline(never)]
pub fn at_end<A: GlobalAlloc>(allocator: &Guarded<A>, layout: Layout) -> *mut u8 {
    placed(allocator, layout, |start| (start + layout.size()) % page() == 0)
}

/// Allocates a guarded block at the start of its pages.
pub fn at_start<A: GlobalAlloc>(allocator: &Guarded<A>, layout: Layout) -> *mut u8 {
    placed(allocator, layout, |start| start % page() == 0)
}

fn placed<A: GlobalAlloc>(
    allocator: &Guarded<A>,
    layout: Layout,
    is_there: impl Fn(usize) -> bool,
) -> *mut u8 {
    loop {
        // SAFETY: The size is not zero, and a block at another place is freed once.
        unsafe {
            let block = allocator.alloc(layout);
            assert!(allocator.is_guarded(block));
            if is_there(block.addr()) {
                return block;
            }
            allocator.dealloc(block, layout);
        }
    }
}

/// Creates an allocator that guards every block.
pub const fn guarding_all() -> Guarded<System> {
    Guarded::new(System).with_rate(ALL)
}
