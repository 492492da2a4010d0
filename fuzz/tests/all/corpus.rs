//! Replays the fuzzers' corpus.

use std::fs;
use std::path::{Path, PathBuf};

use talloc_fuzz::{Mix, Target};

/// Returns the files of a target's corpus.
fn files(target: Target) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name());
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a folder's entry").path()).collect();
    files.sort();
    files
}

/// Replays the corpus of a target.
fn replay(target: Target) {
    let files = files(target);
    assert!(!files.is_empty(), "the corpus of {} is empty", target.name());
    for file in files {
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        if let Err(failure) = target.check(&bytes) {
            panic!("{}: {failure}", file.display());
        }
    }
}

#[test]
fn heap() {
    replay(Target::Heap(Mix::Heap));
}

#[test]
fn arenas() {
    replay(Target::Heap(Mix::Arenas));
}

#[test]
fn realloc() {
    replay(Target::Heap(Mix::Realloc));
}

#[test]
fn sources() {
    replay(Target::Heap(Mix::Sources));
}

#[test]
fn sync() {
    replay(Target::Sync);
}

#[test]
fn shards() {
    replay(Target::Shards);
}

#[test]
fn trace() {
    replay(Target::Trace);
}
