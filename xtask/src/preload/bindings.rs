//! The libraries whose functions processes have called, from the output of the dynamic linker.
//!
//! With `LD_DEBUG=bindings`, it writes a line when a function is first called, or when the program
//! starts, if the program resolves all functions at its start:
//!
//! ```text
//!      4711: binding file git [0] to /some/libtalloc_capi.so [0]: normal symbol `malloc' [GLIBC_2.2.5]
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::camino::Utf8Path;

/// Functions that must belong to the library.
const FUNCTIONS: [&str; 9] = [
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "free",
    "aligned_alloc",
    "memalign",
    "posix_memalign",
    "malloc_usable_size",
];

/// A function that has been found for a file.
#[derive(Debug, PartialEq)]
struct Binding<'a> {
    user: &'a str,
    owner: &'a str,
    function: &'a str,
}

impl<'a> Binding<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (_, rest) = line.split_once("binding file ")?;
        let (user, rest) = rest.split_once(" [0] to ")?;
        let (owner, rest) = rest.split_once(" [0]: ")?;
        let (_, rest) = rest.split_once('`')?;
        let (function, _) = rest.split_once('\'')?;
        Some(Self { user, owner, function })
    }
}

/// Reads the output of the dynamic linker, a file for each process. Returns the number of processes that have
/// allocated.
///
/// # Errors
///
/// If a process has called a function of another library, or if no process of some program has called the
/// library.
pub fn check(folder: &Utf8Path, library: &Utf8Path, programs: &[&str]) -> Result<usize> {
    let mut missing: Vec<&str> = programs.to_vec();
    let mut processes = 0;
    for file in fs::read_dir(folder)? {
        let file = file?.path();
        let users = users(&file, library)?;
        processes += usize::from(!users.is_empty());
        missing.retain(|program| !users.iter().any(|user| is_named(user, program)));
    }
    ensure!(missing.is_empty(), "not seen to call {library}: {}", missing.join(", "));
    Ok(processes)
}

/// The files of a process that have called functions, if one has called the library's `malloc`.
fn users(file: &Path, library: &Utf8Path) -> Result<Vec<String>> {
    let mut users = Vec::new();
    let (mut ours, mut others) = (BTreeSet::new(), BTreeSet::new());
    let text = File::open(file).with_context(|| format!("{} is gone", file.display()))?;
    for line in BufReader::new(text).lines() {
        let line = line?;
        let Some(Binding { user, owner, function }) = Binding::parse(&line) else { continue };
        if !users.iter().any(|known| known == user) {
            users.push(user.to_owned());
        }
        if FUNCTIONS.contains(&function) {
            let is_ours = owner == library.as_str();
            let (functions, file) = if is_ours { (&mut ours, user) } else { (&mut others, owner) };
            functions.insert((file.to_owned(), function.to_owned()));
        }
    }
    // A program with a fixed address uses the address of a jump to the library's function as the address of the function.
    if let Some((owner, function)) = others.difference(&ours).next() {
        bail!("`{function}` of {owner} has been called");
    }
    let has_allocated = ours.iter().any(|(_, function)| function == "malloc");
    Ok(if has_allocated { users } else { Vec::new() })
}

/// Whether the name of a file begins like this.
fn is_named(file: &str, begin: &str) -> bool {
    file.rsplit('/').next().is_some_and(|name| name.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    const LIBRARY: &str = "/our/lib.so";

    /// The result for processes with these outputs.
    fn check(name: &str, texts: &[&str]) -> Result<usize> {
        let folder = Workspace::load()?.scratch("preload-tests").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        for (number, text) in texts.iter().enumerate() {
            fs::write(folder.join(format!("of.{number}")), text)?;
        }
        super::check(&folder, Utf8Path::new(LIBRARY), &["git"])
    }

    const OURS: &str = "    12:\tbinding file /usr/bin/git [0] to /our/lib.so [0]: normal symbol \
                        `malloc' [GLIBC_2.2.5]\n";
    const OTHER: &str =
        "    13:\tbinding file git [0] to /lib/libc.so.6 [0]: normal symbol `puts'\n";
    const THEIRS: &str =
        "    14:\tbinding file git [0] to /lib/libc.so.6 [0]: normal symbol `free'\n";

    #[test]
    fn a_line_is_read() {
        let binding = Binding::parse(OURS).unwrap();
        let read = Binding { user: "/usr/bin/git", owner: LIBRARY, function: "malloc" };
        assert_eq!(binding, read);
        assert_eq!(Binding::parse("    12:\tcalling init: git"), None);
    }

    #[test]
    fn processes_that_allocate_are_counted() {
        assert_eq!(check("bound", &[OURS, OTHER, OURS]).unwrap(), 2);
    }

    #[test]
    fn a_program_may_pass_calls_on_to_the_library() {
        let jump = "    15:\tbinding file /lib/libc.so.6 [0] to cc1 [0]: normal symbol `free'\n";
        let ours = "    15:\tbinding file cc1 [0] to /our/lib.so [0]: normal symbol `free'\n";
        assert!(check("jump", &[&[OURS, jump, ours].concat()]).is_ok());
        assert!(check("jump", &[&[OURS, jump].concat()]).is_err());
    }

    #[test]
    fn who_calls_others_or_nobody_is_found_out() {
        let error = |name, texts: &[&str]| check(name, texts).unwrap_err().to_string();
        let theirs = error("theirs", &[OURS, THEIRS]);
        assert_eq!(theirs, "`free` of /lib/libc.so.6 has been called");
        assert!(error("other", &[OTHER]).ends_with("not seen to call /our/lib.so: git"));
        assert!(error("none", &[]).contains("git"));
    }
}
