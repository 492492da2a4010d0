//! Faults of C programs, and how the library reacts.
//!
//! `cargo xtask faults --programs` prints a table of all cases, and compares other libraries.
#![cfg(all(target_os = "linux", feature = "prefixed"))]

use std::path::Path;
use std::process::Command;

/// A library's promise about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// The library aborts the program with a message.
    Stopped,
    /// The system terminates the program at once.
    Crashed,
    /// The call fails, or the fault has no effect.
    Harmless,
    /// The library promises nothing.
    Nothing,
}

use Promise::{Crashed, Harmless, Nothing, Stopped};

/// The starts of the names of cases, and the promises of the plain, the checked and the hardened library.
const PROMISES: &[(&str, [Promise; 3])] = &[
    ("no fault", [Harmless, Harmless, Harmless]),
    ("double free after reuse, large", [Nothing, Nothing, Stopped]),
    ("double free after reuse", [Nothing, Nothing, Nothing]),
    ("double free", [Nothing, Stopped, Stopped]),
    ("free after realloc", [Nothing, Stopped, Stopped]),
    ("free", [Nothing, Stopped, Stopped]),
    ("overflow by ", [Nothing, Nothing, Nothing]),
    ("underflow by ", [Nothing, Nothing, Nothing]),
    ("overflow into a free ", [Nothing, Nothing, Nothing]),
    ("a header with a ", [Nothing, Nothing, Nothing]),
    ("write a block of size zero", [Nothing, Crashed, Crashed]),
    ("write a freed block of size zero", [Nothing, Crashed, Crashed]),
    ("pages: ", [Nothing, Nothing, Stopped]),
    ("write the first 8 bytes of a freed block, large", [Nothing, Nothing, Stopped]),
    ("write the second 8 bytes of a freed block, large", [Nothing, Nothing, Stopped]),
    ("write all of a freed block, large", [Nothing, Nothing, Stopped]),
    ("write ", [Nothing, Nothing, Nothing]),
    ("link a freed ", [Nothing, Nothing, Nothing]),
    ("realloc of ", [Nothing, Stopped, Stopped]),
    ("calloc overflow", [Harmless, Harmless, Harmless]),
    ("reallocarray overflow", [Harmless, Harmless, Harmless]),
    ("huge sizes", [Harmless, Harmless, Harmless]),
    ("bad alignments", [Harmless, Harmless, Harmless]),
    ("size of null", [Harmless, Harmless, Harmless]),
    ("size of ", [Nothing, Stopped, Stopped]),
    ("read a block of size zero", [Nothing, Crashed, Crashed]),
    ("read a freed block of size zero", [Nothing, Crashed, Crashed]),
    ("read a freed block, large", [Nothing, Nothing, Stopped]),
    ("read a new block, large", [Nothing, Nothing, Harmless]),
    ("read ", [Nothing, Nothing, Nothing]),
];

/// The column of the library that this program is built with.
const LIBRARY: usize = if cfg!(feature = "hardened") {
    2
} else if cfg!(feature = "checked") {
    1
} else {
    0
};

/// Compiles the program with all cases, and links it with the library.
fn compile() -> std::path::PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults");
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let output = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-fno-builtin", "-DPREFIXED"])
        .arg("-o")
        .arg(&program)
        .arg("-I")
        .arg(source.join("include"))
        .arg(source.join("tests/c/faults.c"))
        .arg("-L")
        .arg(&library)
        .arg(format!("-Wl,-rpath,{}", library.display()))
        .args(["-l:libtalloc_capi.so", "-lpthread"])
        .output()
        .expect("there is no C compiler `cc`; to get it: apt-get install gcc libc6-dev");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// Returns the promise about a case.
fn promise(case: &str) -> Promise {
    let row = PROMISES.iter().find(|(begin, _)| case.starts_with(begin));
    row.unwrap_or_else(|| panic!("no promise covers {case}")).1[LIBRARY]
}

/// Returns whether a message comes from the heap or from the guarding allocator.
fn is_ours(message: &str) -> bool {
    ["talloc: ", "talloc-guarded: "].iter().any(|begin| message.starts_with(begin))
}

#[test]
fn faults_of_c_programs_have_the_promised_outcomes() {
    let output = Command::new(compile()).output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let mut broken = Vec::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [case, outcome, message] = cells[..] else { panic!("{line}") };
        let is_kept = match promise(case) {
            Stopped => outcome == "stopped" && is_ours(message),
            Crashed => outcome == "crashed",
            Harmless => outcome == "harmless",
            Nothing => true,
        };
        if !is_kept {
            broken.push(line);
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(text.lines().count() > 100, "{text}");
}
