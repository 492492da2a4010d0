//! Traces recorded by the examples can be read.
#![cfg(all(feature = "traced", feature = "backtrace", not(windows)))]

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use talloc_trace::{Flags, Live, Op, open};

/// Builds an example with cargo if necessary. Returns its path. `cargo test` builds the examples, except with a list of
/// tests.
fn example(name: &str) -> PathBuf {
    let cargo = env::var_os("CARGO").expect("run by cargo");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--manifest-path", manifest, "--features", "traced,backtrace"])
        .args(["--example", name, "--target-dir"])
        .arg(target)
        .status();
    assert!(built.unwrap().success());
    target.join("debug/examples").join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

/// Returns the number of allocations in a complete trace, and the number of objects that are live at its end.
fn read(path: &Path, flags: Flags) -> (usize, usize) {
    let mut reader = open(path).unwrap();
    assert!(reader.header().flags.contains(flags));
    let (mut live, mut allocations) = (Live::new(), 0);
    while let Some(event) = reader.next_event().unwrap() {
        live.apply(&event).unwrap();
        assert!(!matches!(event.op, Op::Lost { .. }), "events were lost");
        allocations += usize::from(matches!(event.op, Op::Alloc { .. }));
    }
    (allocations, live.iter().count())
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn a_file_has_the_whole_program() {
    let path = file("to_file.atr");
    let output = Command::new(example("to_file")).arg(&path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with("; 0 events were lost\n"), "{text}");
    let (allocations, live) = read(&path, Flags::CALL_SITES);
    assert!(allocations >= 5000 && live > 0, "{allocations} allocations, {live} live");
}

#[test]
fn a_socket_carries_the_whole_program() {
    let (path, program) = (file("to_socket.atr"), example("to_socket"));
    let mut receiver = Command::new(&program)
        .args(["--receive", "127.0.0.1:0"])
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(receiver.stdout.take().unwrap()).lines();
    let waiting = said.next().unwrap().unwrap();
    let address = waiting.strip_prefix("waiting at ").unwrap();
    let output = Command::new(&program).arg(address).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with("; 0 events were lost\n"), "{text}");
    assert!(receiver.wait().unwrap().success());
    let received = said.next().unwrap().unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    assert_eq!(received, format!("{size} bytes received"));
    let (allocations, _) = read(&path, Flags::ADDRESSES);
    assert!(allocations >= 2000, "{allocations} allocations");
}
