//! The fuzzers' corpus, replayed.

use std::fs;
use std::path::{Path, PathBuf};

use talloc_fuzz::{Mix, Script, check};

/// The files of a target's corpus.
fn files(mix: Mix) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(mix.name());
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a folder's entry").path()).collect();
    files.sort();
    files
}

/// Replays the corpus of a target.
fn replay(mix: Mix) {
    let files = files(mix);
    assert!(!files.is_empty(), "the corpus of {} is empty", mix.name());
    for file in files {
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        if let Err(failure) = check(&Script::decode(mix, &bytes)) {
            panic!("{}: {failure}", file.display());
        }
    }
}

#[test]
fn heap() {
    replay(Mix::Heap);
}

#[test]
fn arenas() {
    replay(Mix::Arenas);
}

#[test]
fn realloc() {
    replay(Mix::Realloc);
}

#[test]
fn sources() {
    replay(Mix::Sources);
}
