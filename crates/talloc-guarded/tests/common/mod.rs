//! Running a test in a process of its own, and what is reported there.
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

/// Every block is guarded.
pub const ALL: Option<NonZeroUsize> = Some(NonZeroUsize::MIN);

/// Names the test that this process is to run.
const VARIABLE: &str = "TALLOC_GUARDED_CHILD";

/// Runs `body` in a child process, which runs the calling test, `name`. Returns what it printed; none in the child.
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

/// The command that runs a test in a child.
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

/// All that a child printed.
pub fn text(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!(
        "{:?}\n{}{}",
        output.status,
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(error)
    )
}

/// What has been reported to [`note`]. It has room, so that nothing is allocated.
static REPORTS: Mutex<Vec<Report>> = Mutex::new(Vec::new());

/// Makes the handler of reports note them and continue.
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

/// The reports since the last call.
pub fn reports() -> Vec<Report> {
    let mut reports = REPORTS.lock().unwrap();
    let new = reports.to_vec();
    reports.clear();
    new
}

/// The only report since the last call.
#[track_caller]
pub fn report() -> Report {
    let reports = reports();
    let [report] = reports[..] else { panic!("{} reports: {reports:?}", reports.len()) };
    report
}

pub fn page() -> usize {
    rustix::param::page_size()
}

/// A guarded block at the end of its pages. Not inlined, so that call stacks have it.
#[inline(never)]
pub fn at_end<A: GlobalAlloc>(allocator: &Guarded<A>, layout: Layout) -> *mut u8 {
    placed(allocator, layout, |start| (start + layout.size()) % page() == 0)
}

/// A guarded block at the start of its pages.
pub fn at_start<A: GlobalAlloc>(allocator: &Guarded<A>, layout: Layout) -> *mut u8 {
    placed(allocator, layout, |start| start % page() == 0)
}

fn placed<A: GlobalAlloc>(
    allocator: &Guarded<A>,
    layout: Layout,
    is_there: impl Fn(usize) -> bool,
) -> *mut u8 {
    loop {
        // SAFETY: The size is not zero. A block that is not wanted is freed.
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

/// An allocator that guards every block.
pub const fn guarding_all() -> Guarded<System> {
    Guarded::new(System).with_rate(ALL)
}
