//! Runs a program to its end, and measures it.

pub mod launcher;

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

/// The result of a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// As `wait` has it: zero is success.
    pub status: i32,
    pub time: Duration,
    /// The size in KiB of the largest of its processes, when that was largest.
    pub peak: u64,
}

/// The peak size of this process in KiB. The reported size of its children is at least as large.
pub fn own_peak() -> Result<u64> {
    size("self", "VmHWM:")
}

/// The size, in KiB, that `/proc` has of a process under this name.
pub fn size(process: &str, name: &str) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("there is no `{path}`"))?;
    let size = status.lines().find_map(|line| line.strip_prefix(name));
    let size = size.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok());
    size.with_context(|| format!("`{path}` does not say `{name}`"))
}

/// The median of one figure or more.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// Runs a program and its children to the end. Kills the rest of its process group.
///
/// # Errors
///
/// If it cannot be started, or does not end in time.
#[cfg(unix)]
pub fn run(command: &mut Command, patience: Duration) -> Result<Measured> {
    unix::run(command, patience)
}

#[cfg(not(unix))]
pub fn run(command: &mut Command, _: Duration) -> Result<Measured> {
    anyhow::bail!(
        "programs are measured on Unix only: not {}",
        command.get_program().to_string_lossy()
    )
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::mem::MaybeUninit;
    use std::os::unix::process::CommandExt;
    use std::sync::mpsc::{self, RecvTimeoutError};
    use std::thread;
    use std::time::Instant;

    use anyhow::{anyhow, ensure};

    pub fn run(command: &mut Command, patience: Duration) -> Result<Measured> {
        let name = command.get_program().to_string_lossy().into_owned();
        let start = Instant::now();
        let child = command.process_group(0).spawn();
        let child = child.with_context(|| format!("`{name}` cannot be started"))?;
        let child = libc::pid_t::try_from(child.id())?;

        let (ended, end) = mpsc::channel::<()>();
        let watchdog = thread::spawn(move || {
            let is_late = end.recv_timeout(patience) == Err(RecvTimeoutError::Timeout);
            if is_late {
                kill_group(child);
            }
            is_late
        });
        let waited = wait(child);
        let time = start.elapsed();
        drop(ended);
        let is_late = watchdog.join().map_err(|_| anyhow!("the watchdog has panicked"))?;
        waited?;
        kill_group(child);
        let (status, peak) = collect(child)?;
        ensure!(!is_late, "`{name}` has not ended in {} s", patience.as_secs());
        Ok(Measured { status, time, peak })
    }

    /// Kills what there is of the group of a child that has not been collected.
    fn kill_group(child: libc::pid_t) {
        // SAFETY: The group is the child's, whose number is not given to another before it is
        // collected; what is in it has been started by the child.
        unsafe { libc::kill(-child, libc::SIGKILL) };
    }

    /// Waits for a child to end, and leaves it to be collected.
    fn wait(child: libc::pid_t) -> Result<()> {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let (id, how) = (libc::id_t::try_from(child)?, libc::WEXITED | libc::WNOWAIT);
        // SAFETY: It can be written to.
        let result = unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), how) };
        ensure!(result == 0, "a program cannot be waited for");
        Ok(())
    }

    /// The status of a child that has ended, and the largest size in KiB, of it and its children.
    fn collect(child: libc::pid_t) -> Result<(i32, u64)> {
        let mut status = 0;
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: Both can be written to.
        let ended = unsafe { libc::wait4(child, &raw mut status, 0, usage.as_mut_ptr()) };
        ensure!(ended == child, "what a program has taken cannot be asked for");
        // SAFETY: It was zero, which is valid, and has been written since.
        let peak = unsafe { usage.assume_init() }.ru_maxrss;
        Ok((status, u64::try_from(peak)?))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![9.0, 1.0, 2.0, 4.0]), 3.0);
    }

    fn shell(script: &str, patience: Duration) -> Result<Measured> {
        run(Command::new("sh").args(["-c", script]), patience)
    }

    #[test]
    fn a_program_is_timed_and_may_end_with_any_status() {
        let measured = shell("sleep 0.2; exit 3", Duration::from_secs(60)).unwrap();
        assert_eq!(measured.status, 0x300);
        assert!(measured.time >= Duration::from_millis(200), "{measured:?}");
    }

    #[test]
    fn a_program_that_does_not_end_is_an_error_and_ends() {
        let error = shell("sleep 100; sleep 100", Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("has not ended in 0 s"), "{error}");
        assert!(run(&mut Command::new("no-such-program"), Duration::ZERO).is_err());
    }
}
