//! The table that is printed when a process exits, if its environment asks for it.

extern crate std;

use core::fmt::{self, Write as _};
use std::borrow::ToOwned;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::string::ToString;
use std::sync::{Mutex, OnceLock, PoisonError};

use talloc_sync::Statistics;

/// The variable of the environment.
const VARIABLE: &str = "TALLOC_STATS";

/// What is counted. Whoever is the last to say so is asked.
static COUNT: Mutex<Option<fn() -> Statistics>> = Mutex::new(None);

/// Where it is printed; none if the environment does not ask.
static TARGET: OnceLock<Option<Target>> = OnceLock::new();

/// Prints statistics when the process exits, if the variable `TALLOC_STATS` of the environment asks for it.
///
/// | `TALLOC_STATS` | |
/// |---|---|
/// | not set, empty, `0` | prints nothing, and costs nothing |
/// | `1` | a table on the standard error |
/// | `json` | an object on a line of the standard error, with the feature `json` |
/// | a path | adds a table to the file; `%p` in the path is replaced by the process's number |
/// | `json:` and a path | adds an object on a line to the file |
///
/// [`SystemTalloc`](crate::SystemTalloc) does so by itself, with its own statistics. This is for other heaps. Of several
/// calls, the last one counts.
///
/// `count` is called by `exit`, while other threads may still run. It must not wait for a lock that a thread could
/// hold for ever. A process that is killed, or calls `abort` or `_exit`, prints nothing. Nor does one that runs with
/// other privileges than its user's.
///
/// # Examples
///
/// ```
/// use talloc_global::*;
///
/// #[global_allocator]
/// static ALLOCATOR: SystemTallock = SystemTallock::new();
///
/// fn main() {
///     print_statistics_at_exit(|| ALLOCATOR.statistics());
/// }
/// ```
pub fn print_statistics_at_exit(count: fn() -> Statistics) {
    // Not held while anything is called.
    *COUNT.lock().unwrap_or_else(PoisonError::into_inner) = Some(count);
    TARGET.get_or_init(|| {
        let target = target()?;
        // SAFETY: The function may be called at any exit. If there is no memory for it, nothing is printed.
        unsafe { atexit(print) };
        Some(target)
    });
}

#[cfg(unix)]
use libc::atexit;

#[cfg(windows)]
unsafe extern "C" {
    fn atexit(f: extern "C" fn()) -> core::ffi::c_int;
}

/// How and where statistics are printed.
struct Target {
    is_json: bool,
    place: Place,
}

enum Place {
    /// The standard error as it was at the start: programs close it before the last handlers run.
    Error(File),
    File(PathBuf),
}

/// What the environment asks for.
fn target() -> Option<Target> {
    if is_privileged() {
        return None;
    }
    let value = std::env::var_os(VARIABLE).filter(|value| !value.is_empty() && value != "0")?;
    let text = value.to_str();
    let (is_json, path) = match text {
        Some("1") => (false, None),
        Some("json") => (true, None),
        Some(text) => match text.strip_prefix("json:") {
            Some(path) => (true, Some(PathBuf::from(path))),
            None => (false, Some(PathBuf::from(text))),
        },
        None => (false, Some(PathBuf::from(value))),
    };
    let place = match path {
        Some(path) => Place::File(path),
        None => Place::Error(standard_error().ok()?),
    };
    Some(Target { is_json, place })
}

/// Whether whoever has set the environment has fewer rights than the process.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_privileged() -> bool {
    // SAFETY: It reads a number that the kernel has passed.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Whether whoever has set the environment has fewer rights than the process.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn is_privileged() -> bool {
    // SAFETY: They read numbers of the process.
    unsafe { libc::getuid() != libc::geteuid() || libc::getgid() != libc::getegid() }
}

/// There is no such thing.
#[cfg(windows)]
fn is_privileged() -> bool {
    false
}

#[cfg(unix)]
fn standard_error() -> io::Result<File> {
    use std::os::fd::AsFd;
    io::stderr().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn standard_error() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    io::stderr().as_handle().try_clone_to_owned().map(File::from)
}

/// Prints the statistics. No heap is held meanwhile, so that it may allocate; it hardly does.
extern "C" fn print() {
    // In the child of a fork, a thread may hold it that is no more.
    let count = COUNT.try_lock().ok().and_then(|count| *count);
    let (Some(count), Some(Some(target))) = (count, TARGET.get()) else { return };
    let statistics = count();
    let mut text = Text::default();
    // There is room, and nobody to tell if there were not.
    let _ = if target.is_json { text.json(&statistics) } else { text.table(&statistics) };
    let _ = match &target.place {
        Place::Error(file) => text.write_to(file),
        Place::File(path) => {
            let file = OpenOptions::new().append(true).create(true).open(for_process(path));
            file.and_then(|file| text.write_to(&file))
        }
    };
}

/// A path with the process's number in the place of each `%p`.
fn for_process(path: &Path) -> PathBuf {
    match path.to_str() {
        Some(text) if text.contains("%p") => {
            text.replace("%p", &std::process::id().to_string()).into()
        }
        _ => path.to_owned(),
    }
}

/// What is printed, in one piece, so that what several processes print does not mix.
struct Text {
    bytes: [u8; 2048],
    len: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self { bytes: [0; 2048], len: 0 }
    }
}

impl Text {
    fn table(&mut self, statistics: &Statistics) -> fmt::Result {
        writeln!(self, "talloc: process {}", std::process::id())?;
        writeln!(self, "{statistics}")
    }

    #[cfg(feature = "json")]
    fn json(&mut self, statistics: &Statistics) -> fmt::Result {
        let len = serde_json_core::to_slice(statistics, &mut self.bytes).map_err(|_| fmt::Error)?;
        self.len = len;
        self.write_str("\n")
    }

    #[cfg(not(feature = "json"))]
    fn json(&mut self, statistics: &Statistics) -> fmt::Result {
        writeln!(self, "talloc: the feature `json` is off")?;
        self.table(statistics)
    }

    fn write_to(&self, mut file: &File) -> io::Result<()> {
        file.write_all(&self.bytes[..self.len])
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let rest = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(fmt::Error)?;
        rest.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}
