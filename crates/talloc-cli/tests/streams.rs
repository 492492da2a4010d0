//! Input and output: files, pipes, and outputs that fail.

mod common;

use common::{Trace, by_address, fails, ok, plain, with_sites};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

#[test]
fn an_output_replaces_neither_its_input_nor_a_file_if_the_command_fails() {
    let trace = by_address();
    let before = std::fs::read(&trace.path).unwrap();
    // The file has another name, too.
    let link = trace.file("linked.svg");
    std::fs::hard_link(&trace.path, &link).unwrap();
    let outputs = [(&["convert", "--to", "csv"][..], &trace.path), (&["map"], &link)];
    for (command, output) in outputs {
        let error =
            fails(&[command, &["--output", output.to_str().unwrap()]].concat(), &trace.path);
        assert!(error.contains("the output would replace the input"), "{error}");
        assert_eq!(std::fs::read(&trace.path).unwrap(), before);
    }

    let cut = Trace::of("cut.atr", &before[..before.len() - 1]);
    let output = cut.file("out");
    std::fs::write(&output, "before").unwrap();
    fails(&["convert", "--to", "csv", "--output", output.to_str().unwrap()], &cut.path);
    assert_eq!(std::fs::read(&output).unwrap(), b"before");
    let names = std::fs::read_dir(cut.folder.path()).unwrap().count();
    assert_eq!(names, 2, "a temporary file is left");
    cut.written(&["convert", "--to", "csv", "--partial"], "out");
    assert_ne!(std::fs::read(&output).unwrap(), b"before");
}

/// The commands that print.
const PRINTING: [&[&str]; 6] = [
    &["stat"],
    &["stat", "--json"],
    &["leaks"],
    &["fit", "--no-latency", "--heap", "compact"],
    &["replay", "--rounds", "1", "--heap", "compact"],
    &["convert", "--to", "csv"],
];

/// Returns a command on a trace.
fn command(args: &[&str], trace: &Trace) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talloc"));
    command.args(args).arg(&trace.path).stderr(Stdio::piped());
    command
}

/// A trace with more events than a buffer holds.
fn long() -> Trace {
    let mut writer = talloc_trace::Writer::streaming(vec![]).unwrap();
    for size in 0..20_000 {
        let id = writer.alloc(size, None).unwrap();
        writer.free(id).unwrap();
    }
    Trace::of("long.atr", &writer.finish().unwrap())
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_output_is_an_error_of_the_output() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for trace in [plain(), long()] {
        for args in PRINTING {
            let output = command(args, &trace).stdout(full()).output().unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            let expected = "talloc: writing the standard output: No space left on device";
            assert!(error.starts_with(expected), "{args:?}: {error}");
            assert_eq!(output.status.code(), Some(1), "{args:?}");
        }
        for format in ["csv", "heaptrack", "dhat", "pprof"] {
            let error = fails(&["convert", "--to", format, "--output", "/dev/full"], &trace.path);
            assert!(error.starts_with("talloc: writing /dev/full: No space left"), "{error}");
        }
    }
}

#[test]
fn an_output_that_cannot_be_created_is_reported_once() {
    let trace = plain();
    let nowhere = trace.file("no").join("where");
    let error =
        fails(&["convert", "--to", "csv", "--output", nowhere.to_str().unwrap()], &trace.path);
    assert!(error.starts_with(&format!("talloc: writing {}: ", nowhere.display())), "{error}");
    assert_eq!(error.matches("(os error").count(), 1, "{error}");
}

#[test]
#[cfg(unix)]
fn a_reader_that_has_seen_enough_is_no_error() {
    let trace = long();
    for args in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(args, &trace).stdout(writer).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{args:?}");
        assert!(output.status.success(), "{args:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_trace_may_come_through_a_pipe() {
    let trace = by_address();
    let file = std::fs::read(&trace.path).unwrap();
    let map = trace.file("map.svg");
    let map: &[&str] = &["map", "--output", map.to_str().unwrap()];
    for args in PRINTING.into_iter().chain([map]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_talloc"));
        command.args(args).arg("/dev/stdin").stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&file).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{args:?}");
        assert!(output.status.success(), "{args:?}");
    }
}

#[test]
#[cfg(unix)]
fn a_pipe_may_be_the_output() {
    let trace = by_address();
    let mut command = command(&["convert", "--to", "csv", "--output", "/dev/stdout"], &trace);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(text, ok(&["convert", "--to", "csv"], &trace.path));
}

#[test]
fn a_trace_may_have_any_name() {
    let trace = plain();
    std::fs::rename(&trace.path, trace.file("--weird.atr.zst")).unwrap();
    for args in PRINTING {
        let mut command = Command::new(env!("CARGO_BIN_EXE_talloc"));
        command.current_dir(trace.folder.path()).args(args).args(["--", "--weird.atr.zst"]);
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {error}");
    }
}

#[test]
#[cfg(unix)]
fn no_name_breaks_a_format() {
    let trace = with_sites();
    let path = trace.file("a\x1b[31m\nX b<!--<script>.atr");
    std::fs::rename(&trace.path, &path).unwrap();
    let trace = Trace { path, ..trace };
    let svg = String::from_utf8(trace.written(&["map"], "map.svg")).unwrap();
    assert!(svg.contains("a\u{fffd}[31m\u{fffd}X b&lt;!--&lt;script&gt;.atr"), "{svg}");
    assert!(svg.chars().all(|char| char == '\n' || !char.is_control()));
    let page = String::from_utf8(trace.written(&["map"], "map.html")).unwrap();
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(
        page.contains(r"b\u003c!--\u003cscript>.atr") && !page.contains("<!--"),
        "the name is not escaped"
    );
    let lines = ok(&["convert", "--to", "heaptrack"], &trace.path);
    assert!(lines.lines().nth(1).unwrap().ends_with("X b<!--<script>.atr"), "{lines}");
    assert_eq!(lines.lines().filter(|line| line.starts_with('X')).count(), 1);
    assert!(!ok(&["stat"], &trace.path).contains('\x1b'));
}

#[test]
fn errors_of_an_input_are_printed_once_and_name_the_input() {
    let whole = std::fs::read(by_address().path).unwrap();
    let cut = Trace::of("cut.atr", &whole[..whole.len() - 1]);
    let path = cut.path.display();
    for format in ["csv", "heaptrack", "dhat", "pprof"] {
        let output = cut.file("out");
        let args = ["convert", "--to", format, "--output", output.to_str().unwrap()];
        let error = fails(&args, &cut.path);
        assert!(error.starts_with(&format!("talloc: {path}: byte ")), "{error}");
        assert_eq!(error.matches("cut short").count(), 1, "{error}");
    }
}
