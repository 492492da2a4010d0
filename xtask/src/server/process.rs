//! A server that is running.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use crate::measured;

/// The server's socket, in its folder: the path of a socket must be short.
pub const SOCKET: &str = "socket";

/// What the dynamic linker says, in the server's folder.
pub const TRACE: &str = "trace";

/// How long the server may take to answer at first.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, which is killed in the end.
pub struct Server<'a> {
    process: Child,
    folder: &'a Utf8Path,
}

impl<'a> Server<'a> {
    /// Starts the server in an empty folder, with a library if there is one.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub fn start(redis: &Path, folder: &'a Utf8Path, library: Option<&Utf8Path>) -> Result<Self> {
        let mut command = Command::new(redis);
        command.args(["--port", "0", "--unixsocket", SOCKET, "--save", "", "--appendonly", "no"]);
        command.current_dir(folder).stdin(Stdio::null());
        command.stdout(File::create(folder.join("output"))?);
        if let Some(library) = library {
            fs::create_dir(folder.join(TRACE))?;
            command.env("LD_PRELOAD", library).env("LD_DEBUG", "bindings");
            command.env("LD_DEBUG_OUTPUT", folder.join(TRACE).join("of"));
        }
        let process = command.spawn().context("the server cannot be started")?;
        let mut server = Self { process, folder };
        let start = Instant::now();
        while !folder.join(SOCKET).exists() || server.ask(&["PING"]).is_err() {
            let ended = server.process.try_wait()?;
            ensure!(ended.is_none(), "the server has ended; {folder}/output says why");
            ensure!(start.elapsed() < PATIENCE, "the server does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// The seconds of processors that it has used.
    ///
    /// # Errors
    ///
    /// If it does not tell.
    pub fn processor_seconds(&self) -> Result<f64> {
        let said = self.ask(&["INFO", "cpu"])?;
        Ok(figure(&said, "used_cpu_user")? + figure(&said, "used_cpu_sys")?)
    }

    /// Expects that all requests have been answered as they should be.
    ///
    /// # Errors
    ///
    /// If not, or if it does not tell.
    pub fn expect_no_errors(&self) -> Result<()> {
        let errors = figure(&self.ask(&["INFO", "stats"])?, "total_error_replies")?;
        ensure!(errors == 0.0, "the server has answered {errors} requests with errors");
        Ok(())
    }

    /// How large it was when it was largest, and how large it is, in KiB.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn sizes(&self) -> Result<[u64; 2]> {
        let process = self.process.id().to_string();
        Ok([measured::size(&process, "VmHWM:")?, measured::size(&process, "VmRSS:")?])
    }

    fn ask(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new("redis-cli");
        command.args(["-s", SOCKET]).args(words).current_dir(self.folder);
        let output = command.output().context("`redis-cli` cannot be started")?;
        ensure!(output.status.success(), "the server does not answer");
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A figure of those that the server tells.
fn figure(said: &str, name: &str) -> Result<f64> {
    let value = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = value.with_context(|| format!("the server does not tell `{name}`"))?;
    value.trim().parse().with_context(|| format!("`{name}` is no number: {value}"))
}

/// The C library that this program is linked with. A server that is linked with another `malloc` has
/// the C library's if this is preloaded.
///
/// # Errors
///
/// If there is none.
pub fn c_library() -> Result<Utf8PathBuf> {
    let mapped = fs::read_to_string("/proc/self/maps").context("there is no `/proc`")?;
    let paths = mapped.lines().filter_map(|line| Some(&line[line.find('/')?..]));
    let path = paths.map(Utf8Path::new).find(|path| path.file_name() == Some("libc.so.6"));
    Ok(path.context("this program is not linked with the GNU C library")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_what_the_server_tells() {
        let said =
            "# CPU\r\nused_cpu_sys:0.25\r\nused_cpu_user:12.5\r\nused_cpu_user_children:1\r\n";
        assert_eq!(figure(said, "used_cpu_user").unwrap(), 12.5);
        assert_eq!(figure(said, "used_cpu_sys").unwrap(), 0.25);
        let error = figure(said, "used_cpu").unwrap_err().to_string();
        assert_eq!(error, "the server does not tell `used_cpu`");
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn the_c_library_is_a_file() {
        assert!(c_library().unwrap().is_file());
    }
}
