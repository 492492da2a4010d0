//! What the library gives names to.

use std::collections::BTreeSet;
use std::fs::File;

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::Utf8Path;
use object::{NameOrOrdinal, Object, ReadCache};

/// The functions of the C library that allocate, free, or tell of its heap, in C23 and in the GNU C
/// library. A library that takes their place may have these names and no others, as each could be
/// somebody else's.
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

/// Expects that a library exports the names of `malloc` and its kin, all of them and nothing else.
///
/// # Errors
///
/// If it does not, or cannot be read.
pub fn check(library: &Utf8Path) -> Result<()> {
    let file = File::open(library).with_context(|| format!("{library} is not there"))?;
    let cache = ReadCache::new(file);
    let file = object::File::parse(&cache)?;
    let mut exported = BTreeSet::new();
    for export in file.exports()? {
        if let NameOrOrdinal::Name(name) = export?.name() {
            exported.insert(String::from_utf8_lossy(name).into_owned());
        }
    }
    compare(&exported).with_context(|| format!("{library} cannot be preloaded"))
}

fn compare(exported: &BTreeSet<String>) -> Result<()> {
    let wanted: BTreeSet<String> = NAMES.map(str::to_owned).into();
    let more: Vec<_> = exported.difference(&wanted).collect();
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
        let all: BTreeSet<String> = NAMES.map(str::to_owned).into();
        assert!(compare(&all).is_ok());
        let mut more = all.clone();
        more.insert("talloc_report".to_owned());
        assert!(compare(&more).unwrap_err().to_string().contains("talloc_report"));
        let mut less = all;
        less.remove("pvalloc");
        assert!(compare(&less).unwrap_err().to_string().contains("pvalloc"));
    }
}
