//! The names that the library exports.

use std::collections::BTreeSet;
use std::fs::File;

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::Utf8Path;
use object::{NameOrOrdinal, Object, ReadCache};

/// The functions of the C library that allocate, free, or report on its heap, in C23 and in the GNU C
/// library. A library that replaces them must export these names and no others, because any other name could be
/// another library's.
const NAMES: [&str; 29] = [
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "free",
    "free_sized",
    "free_aligned_sized",
    "cfree",
    "aligned_alloc",
    "memalign",
    "posix_memalign",
    "valloc",
    "pvalloc",
    "malloc_usable_size",
    "malloc_trim",
    "malloc_info",
    "malloc_stats",
    "mallinfo",
    "mallinfo2",
    "mallopt",
    "__libc_malloc",
    "__libc_calloc",
    "__libc_realloc",
    "__libc_free",
    "__libc_memalign",
    "__libc_valloc",
    "__libc_pvalloc",
    "__libc_mallinfo",
    "__libc_mallopt",
];

/// The operators of C++ that get the size of the deleted object. A library that checks its blocks compares the size.
const SIZED: [&str; 2] = ["_ZdlPvm", "_ZdaPvm"];

/// Expects that a library exports exactly the names of `malloc` and related functions. A library that checks its
/// blocks also exports the sized operators.
///
/// # Errors
///
/// If the library exports other names, or cannot be read.
pub fn check(library: &Utf8Path, is_checked: bool) -> Result<()> {
    let file = File::open(library).with_context(|| format!("{library} is not there"))?;
    let cache = ReadCache::new(file);
    let file = object::File::parse(&cache)?;
    let mut exported = BTreeSet::new();
    for export in file.exports()? {
        if let NameOrOrdinal::Name(name) = export?.name() {
            exported.insert(String::from_utf8_lossy(name).into_owned());
        }
    }
    compare(&exported, &names(is_checked)).with_context(|| format!("{library} cannot be preloaded"))
}

/// The names that a library has.
fn names(is_checked: bool) -> BTreeSet<String> {
    let sized = if is_checked && cfg!(target_pointer_width = "64") { &SIZED[..] } else { &[] };
    NAMES.iter().chain(sized).map(|name| String::from(*name)).collect()
}

fn compare(exported: &BTreeSet<String>, wanted: &BTreeSet<String>) -> Result<()> {
    let more: Vec<_> = exported.difference(wanted).collect();
    let less: Vec<_> = wanted.difference(exported).collect();
    ensure!(more.is_empty(), "it exports {more:?}, which may be somebody else's");
    ensure!(less.is_empty(), "it does not export {less:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_others_or_missing_are_errors() {
        let all = names(true);
        assert!(compare(&all, &all).is_ok());
        let mut more = all.clone();
        more.insert("talloc_report".to_owned());
        assert!(compare(&more, &all).unwrap_err().to_string().contains("talloc_report"));
        let mut less = all.clone();
        less.remove("pvalloc");
        assert!(compare(&less, &all).unwrap_err().to_string().contains("pvalloc"));
    }
}
