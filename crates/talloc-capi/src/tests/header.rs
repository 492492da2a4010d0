//! The header declares what is exported.

use std::collections::BTreeSet;

const HEADER: &str = include_str!("../../include/tall_malloc.h");
const NAMES: &str = include_str!("../names.rs");

#[test]
fn the_header_declares_what_is_exported() {
    // A declaration starts its line with a type.
    let lines = HEADER.lines().filter(|line| !line.starts_with([' ', '/', '#']));
    let declared: BTreeSet<&str> = lines
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("tall_"))
        .collect();
    let quoted = NAMES.split('"').skip(1).step_by(2);
    let exported: BTreeSet<&str> = quoted.filter(|name| name.starts_with("tall_")).collect();
    assert!(exported.len() > 10);
    assert_eq!(declared, exported);
}
