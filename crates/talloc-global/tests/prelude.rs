//! The names that `use talloc_global::*` imports.

const LIB: &str = include_str!("../src/lib.rs");

/// Re-exported modules.
const MODULES: [&str; 1] = ["lock"];

#[test]
fn few_names_come_with_a_glob() {
    let uses = LIB.split("pub use ").skip(1).map(|rest| rest.split_once(';').unwrap().0);
    let lists = uses.map(|path| path.rsplit("::").next().unwrap().trim_matches(['{', '}']));
    let names = lists.flat_map(|list| list.split(',')).map(str::trim);
    let names: Vec<_> = names.filter(|name| !name.is_empty() && !MODULES.contains(name)).collect();
    assert!(names.contains(&"Talloc") && names.contains(&"SystemTalloc"), "{names:?}");
    assert!(!names.contains(&"*"), "{names:?}");
    assert!(names.len() <= 25, "{}: {names:?}", names.len());
}
