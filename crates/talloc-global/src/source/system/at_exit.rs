//! Statistics at exit, if the environment requests them.

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

/// Returns the statistics to print: the argument of the last call of [`print_statistics_at_exit`].
static COUNT: Mutex<Option<fn() -> Statistics>> = Mutex::new(None);

/// The destination; `None` if the environment does not request statistics.
static TARGET: OnceLock<Option<Target>> = OnceLock::new();

/// Prints statistics when the process exits, if the environment variable `TALLOC_STATS` requests it.
///
/// | `TALLOC_STATS` | |
/// |---|---|
/// | not set, empty, `0` | prints nothing |
/// | `1` | a table on the standard error |
/// | `json` | an object on a line of the standard error, with the feature `json` |
/// | a path | adds a table to the file; `%p` in the path is replaced by the process's number |
/// | `json:` and a path | adds an object on a line to the file |
///
/// [`SystemTalloc`](crate::SystemTalloc) calls this with its own statistics. Call it for another heap; the last call
/// counts.
///
/// `exit` calls `count` while other threads may still run, so `count` must not wait for a lock that a thread may
/// hold for ever. Nothing is printed if the process is killed, calls `abort`, `_exit` or `quick_exit`, or has more
/// privileges than its user. A child of a fork also prints. A relative path is resolved at exit.
///
/// # Examples
///
/// ```
/// use talloc_global::{inspect::print_statistics_at_exit, *};
///
/// #[global_allocator]
/// static ALLOCATOR: SystemTallock = SystemTallock::new();
///
/// fn main() {
///     print_statistics_at_exit(|| ALLOCATOR.statistics());
/// }
/// ```
pub fn print_statistics_at_exit(count: fn() -> Statistics) {
    if TARGET.get().is_none() {
        // This may be the program's first allocation, which calls this function again.
        let target = target();
        let is_wanted = target.is_some();
        if TARGET.set(target).is_ok() && is_wanted {
            // SAFETY: `print` is sound at any exit. If it cannot be registered, nothing is printed.
            unsafe { atexit(print) };
        }
    }
    // The lock is released before anything else is called.
    *COUNT.lock().unwrap_or_else(PoisonError::into_inner) = Some(count);
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
    Error(StandardError),
    File(PathBuf),
}

/// Parses the variable.
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
        None => Place::Error(StandardError::open()?),
    };
    Some(Target { is_json, place })
}

/// Whether the process has more privileges than the user who set its environment.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_privileged() -> bool {
    // SAFETY: `getauxval` reads the auxiliary vector only.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Whether the process has more privileges than the user who set its environment.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn is_privileged() -> bool {
    // SAFETY: These calls read the process's IDs only.
    unsafe { libc::getuid() != libc::geteuid() || libc::getgid() != libc::getegid() }
}

/// Windows does not start programs with privileges of their own.
#[cfg(windows)]
fn is_privileged() -> bool {
    false
}

/// A duplicate of the standard error at the start. Programs close the original before the last exit handlers run.
#[cfg(unix)]
struct StandardError {
    file: File,
    /// The device and the number of the file.
    identity: (u64, u64),
}

#[cfg(unix)]
impl StandardError {
    fn open() -> Option<Self> {
        use std::os::fd::{AsRawFd, FromRawFd};
        // Programs expect the lowest numbers for the files that they open, and assign low numbers themselves.
        const NUMBERS: [libc::c_int; 3] = [1000, 200, 50];
        let number = io::stderr().as_raw_fd();
        let open = |least: libc::c_int| {
            // SAFETY: The call makes a new descriptor, or fails.
            let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, least) };
            (copy >= 0).then_some(copy)
        };
        let copy = NUMBERS.into_iter().find_map(open)?;
        // SAFETY: `fcntl` has just made the descriptor, so nobody else owns it.
        let file = unsafe { File::from_raw_fd(copy) };
        let identity = Self::identity_of(&file)?;
        Some(Self { file, identity })
    }

    fn identity_of(file: &File) -> Option<(u64, u64)> {
        use std::os::unix::fs::MetadataExt;
        file.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
    }

    /// Returns the file; `None` if the program has closed the descriptor, which may refer to another file now.
    fn file(&self) -> Option<&File> {
        (Self::identity_of(&self.file)? == self.identity).then_some(&self.file)
    }
}

/// A duplicate of the standard error at the start.
#[cfg(windows)]
struct StandardError(File);

#[cfg(windows)]
impl StandardError {
    fn open() -> Option<Self> {
        use std::os::windows::io::AsHandle;
        io::stderr().as_handle().try_clone_to_owned().ok().map(|handle| Self(File::from(handle)))
    }

    fn file(&self) -> Option<&File> {
        Some(&self.0)
    }
}

/// Prints the statistics. No heap is locked meanwhile, so this may allocate, as it does for a path.
extern "C" fn print() {
    // In the child of a fork, the holder of the lock may not exist.
    let count = COUNT.try_lock().ok().and_then(|count| *count);
    let (Some(count), Some(Some(target))) = (count, TARGET.get()) else { return };
    let statistics = count();
    let mut text = Text::default();
    // The buffer is large enough for the text.
    let _ = if target.is_json { text.json(&statistics) } else { text.table(&statistics) };
    let _ = match &target.place {
        Place::Error(error) => error.file().map_or(Ok(()), |file| text.write_to(file)),
        Place::File(path) => {
            let file = OpenOptions::new().append(true).create(true).open(for_process(path));
            file.and_then(|file| text.write_to(&file))
        }
    };
}

/// The path, with each `%p` replaced by the process ID.
fn for_process(path: &Path) -> PathBuf {
    match path.to_str() {
        Some(text) if text.contains("%p") => {
            text.replace("%p", &std::process::id().to_string()).into()
        }
        _ => path.to_owned(),
    }
}

/// The text. One call writes it, so that the outputs of several processes do not mix.
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
