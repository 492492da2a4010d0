//! The number of a heap's methods. Related methods belong in a view.

#![cfg(not(any(miri, target_arch = "wasm32")))]

use std::fs;
use std::path::Path;

/// The largest number of methods of `Talloc`. Add further methods to the view that fits: `Inspect`, `ArenaMut`,
/// `ArenasMut`, `OfKinds` or `Backend`.
const MAX_METHODS: usize = 30;

/// Methods that only the owner of a heap can call.
const OWNERS: [&str; 5] = ["extend", "lock", "mov", "spin_lock", "truncate"];

/// Returns the public documented methods in `impl` blocks whose first line `is_meant`.
fn methods(folder: &Path, is_meant: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(methods(&path, is_meant));
            continue;
        }
        let (mut is_within, mut is_hidden) = (false, false);
        for line in fs::read_to_string(&path).unwrap().lines() {
            if line.starts_with("impl") {
                is_within = !line.contains(" for ") && is_meant(line);
            }
            is_hidden |= line.trim() == "#[doc(hidden)]";
            let Some((before, after)) = line.split_once("fn ") else { continue };
            if is_within && !is_hidden && before.starts_with("    pub ") {
                names.push(after.split(['(', '<']).next().unwrap().to_owned());
            }
            is_hidden = false;
        }
    }
    names.sort();
    names
}

#[test]
fn a_heap_has_few_methods() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let names = methods(&folder, &|line| {
        [" Talloc {", " Talloc<C> {", " Talloc<C, S> {"].iter().any(|end| line.ends_with(end))
    });
    assert!(names.iter().any(|name| name == "malloc"), "{names:?}");
    assert!(names.len() <= MAX_METHODS, "{}: {names:?}", names.len());
    assert_eq!(methods(&folder, &|line| line.contains("> OwnedTalloc<")), OWNERS);
}
