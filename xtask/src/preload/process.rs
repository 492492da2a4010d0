//! Running a script, and measuring what runs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use cargo_metadata::camino::Utf8Path;

/// A script that is to run in a folder.
pub struct Process<'a> {
    pub shell: &'a Path,
    pub script: &'a Utf8Path,
    /// Its standard output goes to a file there.
    pub folder: &'a Utf8Path,
    /// A library. What the dynamic linker says goes to files in the folder `trace` beside that folder.
    pub preloaded: Option<&'a Utf8Path>,
}

/// The name of the file that the standard output goes to.
pub const OUTPUT: &str = "standard-output";

/// The size, in KiB, of this process when it was largest: what those have at the least that it starts.
pub fn own_peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("there is no `/proc`")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok());
    peak.context("`/proc/self/status` does not say how large this process was")
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::fs::File;
    use std::mem::MaybeUninit;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    use std::thread;
    use std::time::Instant;

    use anyhow::bail;

    /// How often it is looked whether a script has ended.
    const STEP: Duration = Duration::from_millis(5);

    impl Process<'_> {
        /// Runs the script to its end. Returns the size, in KiB, of the largest of all processes when
        /// it was largest.
        ///
        /// # Errors
        ///
        /// If it does not end in time, or fails.
        pub fn run(&self, patience: Duration) -> Result<u64> {
            let mut command = Command::new(self.shell);
            command.arg("-eu").arg(self.script).current_dir(self.folder).process_group(0);
            command.stdin(Stdio::null()).stdout(File::create(self.folder.join(OUTPUT))?);
            if let Some(library) = self.preloaded {
                command.env("LD_PRELOAD", library).env("LD_DEBUG", "bindings");
                command.env("LD_DEBUG_OUTPUT", self.folder.with_file_name("trace").join("of"));
            }
            let shown = if self.preloaded.is_some() { " with the library preloaded" } else { "" };
            eprintln!("$ sh -eu {}{shown}", self.script);
            let child = command.spawn().context("the shell cannot be started")?;
            let child = libc::pid_t::try_from(child.id())?;
            let (status, peak) = wait(child, patience)?;
            // What is left of it if it failed.
            // SAFETY: The group is the child's, and what is in it has been started by that.
            unsafe { libc::kill(-child, libc::SIGKILL) };
            match status {
                0 => Ok(peak),
                status => bail!("the script failed, with status {status:#x}"),
            }
        }
    }

    /// Waits for a child to end; kills it, and all of its group, if it takes too long. Returns its
    /// status and the largest size in KiB, of it and its children.
    fn wait(child: libc::pid_t, patience: Duration) -> Result<(i32, u64)> {
        let start = Instant::now();
        let mut is_killed = false;
        loop {
            let mut status = 0;
            let mut usage = MaybeUninit::<libc::rusage>::zeroed();
            // SAFETY: Both can be written to.
            let ended =
                unsafe { libc::wait4(child, &raw mut status, libc::WNOHANG, usage.as_mut_ptr()) };
            if ended == child {
                let took_too_long = format!("the script has not ended in {} s", patience.as_secs());
                anyhow::ensure!(!is_killed, took_too_long);
                // SAFETY: It was zero, which is valid, and has been written since.
                let peak = unsafe { usage.assume_init() }.ru_maxrss;
                return Ok((status, u64::try_from(peak)?));
            }
            anyhow::ensure!(ended == 0, "the script cannot be waited for");
            if start.elapsed() > patience && !is_killed {
                // SAFETY: The group is the child's, and what is in it has been started by that.
                unsafe { libc::kill(-child, libc::SIGKILL) };
                is_killed = true;
            }
            thread::sleep(STEP);
        }
    }
}

#[cfg(not(unix))]
impl Process<'_> {
    /// Nothing can be preloaded here.
    pub fn run(&self, _: Duration) -> Result<u64> {
        anyhow::bail!("libraries are preloaded on Linux only: not {}", self.script)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::tools;
    use crate::workspace::Workspace;

    /// Runs a script in a folder of a name.
    fn run(name: &str, text: &str, patience: Duration) -> Result<(u64, String)> {
        let folder = Workspace::load()?.scratch("preload-tests").join(name);
        fs::create_dir_all(&folder)?;
        let script = folder.with_extension("sh");
        fs::write(&script, text)?;
        let shell = tools::require("sh", "")?;
        let process = Process { shell: &shell, script: &script, folder: &folder, preloaded: None };
        let peak = process.run(patience)?;
        Ok((peak, fs::read_to_string(folder.join(OUTPUT))?))
    }

    #[test]
    fn a_script_is_measured_and_its_output_kept() {
        let small = run("small", "pwd | tail -c 6", Duration::from_secs(60)).unwrap();
        assert_eq!(small.1, "small\n");
        let large = "head -c 100000000 /dev/zero | tail -n 1 | wc -c";
        let large = run("large", large, Duration::from_secs(60)).unwrap();
        assert_eq!(large.1.trim(), "100000000");
        assert!(large.0 > 90_000 && small.0 < large.0 / 2, "{small:?} {large:?}");
        assert!(own_peak().unwrap() < large.0 / 2);
    }

    #[test]
    fn a_script_that_fails_or_does_not_end_is_an_error() {
        let failing = run("failing", "exit 3", Duration::from_secs(60)).unwrap_err().to_string();
        assert!(failing.contains("failed, with status 0x300"), "{failing}");
        let endless = run("endless", "sleep 100; sleep 100", Duration::from_millis(50));
        let endless = endless.unwrap_err().to_string();
        assert!(endless.contains("has not ended in 0 s"), "{endless}");
    }
}
