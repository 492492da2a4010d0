//! The statistics that a program with `SystemTalloc` prints when it exits.
#![cfg(all(feature = "system", feature = "std", any(unix, windows)))]

use std::process::{Command, Output};

use talloc_global::*;

#[global_allocator]
static ALLOCATOR: SystemTalloc = SystemTalloc::new();

/// Runs this program, which lists its tests and exits.
fn run(statistics: Option<&str>) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--list").env_remove("TALLOC_STATS");
    if let Some(statistics) = statistics {
        command.env("TALLOC_STATS", statistics);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    output
}

fn said(output: &Output) -> &str {
    core::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn nothing_is_printed_unless_it_is_asked_for() {
    for statistics in [None, Some(""), Some("0")] {
        let output = run(statistics);
        assert_eq!(said(&output), "", "{statistics:?}");
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn a_table_is_printed() {
    let output = run(Some("1"));
    let table = said(&output);
    assert!(table.starts_with("talloc: process "), "{table}");
    for name in
        ["used ", "peak ", "free ", "  cached ", "arenas ", "purged ", "mapped ", "refused "]
    {
        assert!(table.contains(&format!("\n{name}")), "{name} in {table}");
    }
    assert!(!table.contains("could not be read"), "{table}");
}

#[test]
fn json_is_printed_or_said_to_be_missing() {
    let output = run(Some("json"));
    let text = said(&output);
    if cfg!(feature = "json") {
        assert!(text.starts_with("{\"heaps\":") && text.ends_with("}\n"), "{text}");
        assert_eq!(text.lines().count(), 1);
    } else {
        assert!(text.starts_with("talloc: the feature `json` is off\n"), "{text}");
        assert!(text.contains("\nused "), "{text}");
    }
}

#[test]
fn a_file_is_appended_to() {
    let path = std::env::temp_dir().join(format!("talloc-exit-table-{}", std::process::id()));
    for _ in 0..2 {
        assert_eq!(said(&run(path.to_str())), "");
    }
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(text.matches("talloc: process ").count(), 2);
    // A file that cannot be written is ignored, and does not affect the exit status.
    assert_eq!(said(&run(Some("/nowhere/to/be/found"))), "");
}

/// A program that opens files at arbitrary descriptors, including the one that held a copy of standard error.
#[cfg(unix)]
#[test]
#[ignore = "a process is started for it"]
fn a_program_that_reuses_descriptors() {
    use std::os::fd::AsRawFd;
    let path = std::env::var_os("REUSED").unwrap();
    let file = std::fs::File::create(path).unwrap();
    let identity = |descriptor| {
        let mut status = std::mem::MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: The buffer has room for the status.
        unsafe {
            (libc::fstat(descriptor, status.as_mut_ptr()) == 0)
                .then(|| (status.assume_init().st_dev, status.assume_init().st_ino))
        }
    };
    let error = identity(2);
    let copies: Vec<_> = (3..4096).filter(|copy| identity(*copy) == error).collect();
    assert!(!copies.is_empty(), "no copy of standard error exists");
    for copy in copies {
        // SAFETY: Nothing else in this program uses the descriptor.
        assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), copy) }, copy);
    }
}

#[cfg(unix)]
#[test]
fn a_file_of_the_program_is_not_written_to() {
    let path = std::env::temp_dir().join(format!("talloc-reused-{}", std::process::id()));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["a_program_that_reuses_descriptors", "--exact", "--ignored"]);
    let output = command.env("TALLOC_STATS", "1").env("REUSED", &path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(text, "");
}
