//! Runs the examples as a user does.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs an example with cargo. This builds it if necessary, because `cargo test` with a list of tests does not.
///
/// The profile, features and target directory are those of this test, to avoid a second build.
fn run(example: &str, args: &[&str]) -> Output {
    let cargo = env::var_os("CARGO").expect("run by cargo");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--manifest-path", manifest, "--example", example]);
    command.args(["--profile", &profile()]).args(features());
    command.arg("--target-dir").arg(target_dir());
    command.arg("--").args(args).output().unwrap()
}

/// Returns the cargo arguments for the enabled features that affect the examples.
fn features() -> Vec<String> {
    let default = [
        ("spin", cfg!(feature = "spin")),
        ("allocator", cfg!(feature = "allocator")),
        ("system", cfg!(feature = "system")),
    ];
    if cfg!(feature = "std") && default.iter().all(|(_, on)| *on) {
        return vec!["--features".to_owned(), "std".to_owned()];
    }
    if default.iter().all(|(_, on)| *on) {
        return Vec::new();
    }
    let on: Vec<&str> = default.into_iter().filter_map(|(name, on)| on.then_some(name)).collect();
    vec!["--no-default-features".to_owned(), "--features".to_owned(), on.join(",")]
}

/// Returns cargo's target directory.
fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned()
}

/// Returns the profile of this test, from its path: `PROFILE/deps/examples-HASH`.
fn profile() -> String {
    let test = env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).and_then(Path::file_name).unwrap();
    match folder.to_str().unwrap() {
        "debug" => "dev".to_owned(),
        name => name.to_owned(),
    }
}

/// Checks that the program succeeded. Returns its lines of output.
fn lines(output: Output) -> Vec<String> {
    let error = String::from_utf8(output.stderr).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}: {text}{error}", output.status);
    // One of the examples prints to standard error.
    let text = if text.is_empty() { error } else { text };
    text.lines().map(str::to_owned).collect()
}

#[cfg(feature = "spin")]
#[test]
fn global_static() {
    let expected = [
        "[1, 4, 9, 16, 25, 36, 49, 64, 81, 100]",
        "allocated in the arena: true",
        "a block that does not fit is refused: true",
    ];
    assert_eq!(lines(run("global_static", &[])), expected);
}

#[cfg(all(feature = "spin", feature = "allocator"))]
#[test]
fn arena() {
    let lines = lines(run("arena", &[]));
    assert_eq!(lines[0], "400 bytes of zeros");
    assert!(lines[1].starts_with("800 bytes in use, "), "{lines:?}");
    assert!(lines[2].starts_with("0 bytes in use, "), "{lines:?}");
    assert_eq!(lines[3], "10000 bytes: out of memory");
}

#[cfg(all(feature = "spin", feature = "allocator"))]
#[test]
fn two_memories() {
    let expected = [
        "the queue is in the internal memory",
        "the picture is in the external memory",
        "the buffer is in the internal memory",
        "a larger buffer: out of memory",
        "the long queue is in the external memory",
    ];
    assert_eq!(lines(run("two_memories", &[])), expected);
}

#[test]
fn oom_handler() {
    let lines = lines(run("oom_handler", &[]));
    let grows =
        |log2: u32| format!("the arena grows from {} to {} bytes", 1_u32 << log2, 2_u32 << log2);
    assert_eq!(lines[..8], (12..20).map(grows).collect::<Vec<_>>());
    // Each extension wastes less than two blocks, and the bitmap takes a 64th.
    let blocks: usize = lines[8].split(' ').next().unwrap().parse().unwrap();
    assert!(
        blocks > 1000 && lines[8].ends_with(" blocks of 1000 bytes in 1048576 bytes"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 9);
}

#[cfg(feature = "spin")]
mod index {
    use std::fs;

    use super::*;

    /// Creates a folder with the given files.
    fn folder(name: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // The folder exists after a previous run.
        let _ = fs::remove_dir_all(&folder);
        for (name, content) in files {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        folder
    }

    /// Returns the value of the line that starts with `key`.
    fn value<'a>(lines: &'a [String], key: &str) -> &'a str {
        lines.iter().find_map(|line| line.strip_prefix(key)).expect(key).trim()
    }

    #[test]
    fn counts_words_and_files() {
        let folder = folder(
            "index-counts",
            &[
                ("a.txt", b"The cat. The DOG; the \xc3\x84pfel?"),
                ("sub/b.txt", "cat,cat äpfel 42 \u{fffd}".as_bytes()),
                ("sub/broken.txt", b"cat \xff cat"),
                ("binary", b"the\0the the"),
                ("empty", b""),
            ],
        );
        let path = folder.to_str().unwrap();
        for threads in ["1", "3"] {
            let lines = lines(run("index", &["--threads", threads, path]));
            let words: Vec<Vec<&str>> =
                lines[1..6].iter().map(|line| line.split_whitespace().collect()).collect();
            let expected = [
                ["5", "3", "cat"],
                ["3", "1", "the"],
                ["2", "2", "äpfel"],
                ["1", "1", "42"],
                ["1", "1", "dog"],
            ];
            assert_eq!(words, expected);
            assert_eq!(lines[6], "");
            let text = value(&lines, "text");
            assert!(text.ends_with(" in 4 files; 1 others skipped"), "{text}");
            assert_eq!(value(&lines, "words"), "12, 5 different ones");
            assert!(value(&lines, "time").ends_with(&format!("with {threads} threads")));
            assert!(value(&lines, "heap at exit").ends_with("verified"));
        }
    }

    #[test]
    fn prints_the_same_words_whatever_the_threads_do() {
        let text = |seed: u64| {
            let mut rng = fastrand::Rng::with_seed(seed);
            (0..5000).map(|_| format!("w{} ", rng.u32(..500))).collect::<String>()
        };
        let texts: Vec<(String, String)> = (0..20).map(|i| (format!("{i}.txt"), text(i))).collect();
        let files: Vec<(&str, &[u8])> =
            texts.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
        let folder = folder("index-threads", &files);
        let words = |threads| {
            let output =
                run("index", &["--top", "600", "--threads", threads, folder.to_str().unwrap()]);
            lines(output).into_iter().take_while(|line| !line.is_empty()).collect::<Vec<_>>()
        };
        let alone = words("1");
        assert_eq!(alone.len(), 501);
        assert_eq!(words("2"), alone);
        assert_eq!(words("9"), alone);
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let output = run("index", &["no-such-file"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("no-such-file"));
        assert!(!run("index", &[]).status.success());
    }
}
