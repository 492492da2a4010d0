//! C programs that are compiled with the header and linked with the library.
#![cfg(all(target_os = "linux", feature = "prefixed"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Returns the folder in which cargo puts the library. It also contains this program.
fn library_folder() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// Compiles a program and links it with these arguments.
fn compile(name: &str, source_name: &str, arguments: &[&str]) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-o"])
        .arg(&program)
        .arg("-I")
        .arg(source.join("include"))
        .arg(source.join("tests/c").join(source_name))
        .args(arguments)
        .output()
        .expect("there is no C compiler `cc`; to get it: apt-get install gcc libc6-dev");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// Expects a program to succeed, and its output to start with `begin`.
fn expect_success(program: &mut Command, begin: &str) {
    let output = program.output().unwrap();
    let (status, said) = (output.status, String::from_utf8_lossy(&output.stderr));
    assert!(status.success(), "{status}: {said}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(begin), "{text}");
}

/// A line of the heap's final report.
const REPORT: &str = "used      0 bytes\n";

/// Compiles a program and links it with the shared library.
fn compile_shared(name: &str, source_name: &str, arguments: &[&str]) -> PathBuf {
    let folder = library_folder();
    let folder = folder.to_str().unwrap();
    let runtime_path = format!("-Wl,-rpath,{folder}");
    let library = ["-L", folder, &runtime_path, "-l:libtalloc_capi.so"];
    compile(name, source_name, &[arguments, &library].concat())
}

#[test]
fn a_program_can_be_linked_with_the_shared_library() {
    let program = compile_shared("shared", "program.c", &[]);
    expect_success(&mut Command::new(program), REPORT);
}

#[cfg(not(feature = "override"))]
#[test]
fn a_library_that_is_not_used_has_no_memory() {
    let program = compile_shared("unused", "unused.c", &[]);
    expect_success(Command::new(&program).env_remove("TALLOC_STATS"), "0 bytes\n");
}

#[test]
fn a_program_can_have_the_names_of_sambas_talloc() {
    let samba = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/c/samba");
    let program = compile_shared("names", "names.c", &["-I", samba, "-rdynamic"]);
    expect_success(&mut Command::new(program), REPORT);
}

#[test]
fn aligned_blocks_take_little_more_than_their_bytes() {
    let program = compile_shared("aligned", "aligned.c", &[]);
    let cases = [(64, 64), (32, 32), (4096, 4096), (128, 384), (4096, 36864), (65536, 65536)];
    for (align, size) in cases {
        let count = (24 << 20) / size;
        let numbers = [align, size, count].map(|number: usize| number.to_string());
        let output = Command::new(&program).args(&numbers).output().unwrap();
        assert!(output.status.success(), "{numbers:?}: {}", output.status);
        let said = String::from_utf8(output.stdout).unwrap();
        let ratio: u32 = said.trim().parse().unwrap();
        assert!((950..=1050).contains(&ratio), "{numbers:?}: {ratio} thousandths");
    }
}

/// A preloaded library has the feature `override`.
#[cfg(feature = "override")]
#[test]
fn a_program_sees_the_preloaded_heap() {
    let program = compile("statistics", "statistics.c", &[]);
    let library = library_folder().join("libtalloc_capi.so");
    expect_success(Command::new(program).env("LD_PRELOAD", library), "<malloc version=");
}

/// The operator compares sizes, unless the program has its own operators and passes blocks on.
#[cfg(all(feature = "override", feature = "checked", target_pointer_width = "64"))]
#[test]
fn sizes_that_cpp_deletes_are_compared() {
    use std::os::unix::process::ExitStatusExt;

    let library = library_folder().join("libtalloc_capi.so");
    let run = |program: &Path, size| {
        let mut command = Command::new(program);
        command.arg(size).env("LD_PRELOAD", &library);
        command
    };
    let standard = compile("sized", "sized.c", &["-ldl"]);
    expect_success(&mut run(&standard, "24"), "deleted");
    let wrong = run(&standard, "72").output().unwrap();
    assert_eq!(wrong.status.signal(), Some(6), "the program was not aborted");
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(said.starts_with("talloc: freeing 0x"), "{said}");
    let own = compile("sized-own", "sized.c", &["-DOWN", "-rdynamic", "-ldl"]);
    expect_success(&mut run(&own, "24"), "own\ndeleted");
    expect_success(&mut run(&own, "72"), "own\ndeleted");
}

/// Compiles a program and links it with the static library.
fn compile_static(name: &str, source_name: &str, arguments: &[&str]) -> PathBuf {
    let library = library_folder().join("libtalloc_capi.a");
    let library = [library.to_str().unwrap(), "-lpthread", "-ldl", "-lm", "-lgcc_s"];
    compile(name, source_name, &[arguments, &library].concat())
}

#[test]
fn a_program_can_be_linked_with_the_static_library() {
    let program = compile_static("static", "program.c", &[]);
    expect_success(&mut Command::new(program), REPORT);
}

/// This excludes the checked heap, which does not keep its library loaded.
#[cfg(not(feature = "checked"))]
#[test]
fn a_plugin_with_the_allocator_in_it_can_be_loaded_again_and_again() {
    let plugin = compile_static("plugin.so", "work.c", &["-shared", "-fPIC"]);
    let program = compile("host", "host.c", &["-ldl", "-lpthread"]);
    expect_success(Command::new(program).arg(plugin), "ended\n");
}

#[test]
fn a_program_can_load_the_library_but_not_unload_it() {
    let program = compile("plugin", "plugin.c", &["-ldl", "-lpthread"]);
    let library = library_folder().join("libtalloc_capi.so");
    expect_success(Command::new(program).arg(library), "ended\n");
}

/// The time limit of a program in seconds.
const PATIENCE: u64 = 60;

/// Runs a program that forks, with a time limit.
fn fork(way: &str) {
    let program = compile_shared(&format!("fork-{way}"), "fork.c", &["-lpthread"]);
    let mut program = Command::new(program).arg(way).stdout(Stdio::piped()).spawn().unwrap();
    for _ in 0..10 * PATIENCE {
        if program.try_wait().unwrap().is_some() {
            let output = program.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", output.status);
            return assert_eq!(output.stdout, b"forked\n");
        }
        thread::sleep(Duration::from_millis(100));
    }
    program.kill().unwrap();
    panic!("it hangs");
}

#[test]
fn a_signal_handler_may_fork() {
    fork("signal");
}

#[test]
fn handlers_of_forks_may_allocate() {
    fork("handlers");
}

/// Runs a program with `TALLOC_STATS` set. Returns its standard error.
fn said(program: &mut Command, statistics: &str) -> String {
    let output = program.env("TALLOC_STATS", statistics).output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn statistics_are_printed_at_exit_if_asked_for() {
    let program = compile_shared("exit", "program.c", &[]);
    for nothing in ["", "0"] {
        assert_eq!(said(&mut Command::new(&program), nothing), "");
    }
    let table = said(&mut Command::new(&program), "1");
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("talloc: process "), "{table}");
    assert_eq!(lines.next(), Some("heap                   bytes"));
    assert!(lines.next().unwrap().starts_with("used "), "{table}");
    assert!(table.contains("\npurged "), "{table}");

    let json: serde_json::Value =
        serde_json::from_str(&said(&mut Command::new(&program), "json")).unwrap();
    let number = |name: &str| json[name].as_u64().unwrap();
    assert_eq!(
        number("used_bytes") + number("free_bytes") + number("overhead_bytes"),
        number("arena_bytes")
    );
    assert!(number("peak_bytes") > 0 && number("unseen_heaps") == 0);
}

#[test]
fn statistics_are_appended_to_files() {
    let program = compile_shared("files", "program.c", &[]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("statistics-files");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).unwrap();
    let (one, each) = (folder.join("all"), folder.join("%p.json"));
    for _ in 0..3 {
        assert_eq!(said(&mut Command::new(&program), one.to_str().unwrap()), "");
        let each = format!("json:{}", each.display());
        assert_eq!(said(&mut Command::new(&program), &each), "");
    }
    let text = std::fs::read_to_string(&one).unwrap();
    assert_eq!(text.matches("talloc: process ").count(), 3);
    let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let json: Vec<_> = files.filter(|file| *file != one).collect();
    assert_eq!(json.len(), 3);
    for file in json {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
    }
}

/// This includes programs that close standard error before they exit.
#[cfg(feature = "override")]
#[test]
fn programs_that_are_preloaded_print_statistics() {
    let library = library_folder().join("libtalloc_capi.so");
    for program in ["ls", "sort"] {
        let mut command = Command::new(program);
        command.arg(env!("CARGO_MANIFEST_DIR").to_owned() + "/Cargo.toml");
        let table = said(command.env("LD_PRELOAD", &library), "1");
        assert!(table.starts_with("talloc: process "), "{program}: {table}");
        assert_eq!(said(command.env("LD_PRELOAD", &library), "0"), "", "{program}");
    }
}
