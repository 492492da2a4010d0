//! Writes a profile when a program calls `exit`.

use std::alloc::System;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use talloc_profile::Profiled;

#[global_allocator]
static ALLOCATOR: Profiled<System> = Profiled::new(System);

/// The environment variable with the folder that the child writes to.
const VARIABLE: &str = "TALLOC_PROFILE_TEST_FOLDER";

#[inline(never)]
fn kept_until_exit() -> Vec<u8> {
    std::hint::black_box(vec![1; 3 << 20])
}

#[test]
#[ignore = "a process is started for it"]
fn exits() {
    let folder = PathBuf::from(env::var_os(VARIABLE).unwrap());
    ALLOCATOR.start(NonZeroUsize::MIN);
    let _guard = ALLOCATOR.at_exit(folder.join("guard.json"));
    for name in ["profile.json", "missing/profile.json", "leaks.txt"] {
        ALLOCATOR.at_process_exit(folder.join(name)).unwrap();
    }
    let kept = kept_until_exit();
    std::process::exit((kept.len() >> 20) as i32);
}

/// Runs `exits` in a child process. Returns its standard error.
fn run(folder: &Path) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["exits", "--exact", "--ignored", "--nocapture"]).env(VARIABLE, folder);
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{errors}");
    errors
}

#[test]
fn a_profile_is_written_when_a_program_calls_exit() {
    let folder = tempfile::tempdir().unwrap();
    let errors = run(folder.path());
    for name in ["profile.json", "leaks.txt"] {
        let file = fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(file.contains("kept_until_exit"), "{name}: {file}");
    }
    // `exit` does not run the guard's destructor, so the guard writes nothing.
    assert!(!folder.path().join("guard.json").exists());
    // A file that cannot be written does not prevent the others.
    assert!(errors.contains("cannot write the heap profile"), "{errors}");
}
