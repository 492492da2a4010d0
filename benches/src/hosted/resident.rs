//! The resident memory of this process.

use anyhow::{Context, Result};
use std::fs;

/// The resident memory at the start of a measurement, which is subtracted.
pub struct Resident {
    base: u64,
}

impl Resident {
    /// Begins a measurement, and resets the peak.
    ///
    /// # Errors
    ///
    /// If the system is not Linux.
    pub fn begin() -> Result<Self> {
        const FILE: &str = "/proc/self/clear_refs";
        fs::write(FILE, "5").context(FILE)?;
        Ok(Self { base: read("VmRSS:")? })
    }

    /// The bytes that are resident now.
    ///
    /// # Errors
    ///
    /// If the number cannot be read.
    pub fn now(&self) -> Result<u64> {
        Ok(read("VmRSS:")?.saturating_sub(self.base))
    }

    /// The peak of resident bytes since the measurement began.
    ///
    /// # Errors
    ///
    /// If the number cannot be read.
    pub fn peak(&self) -> Result<u64> {
        Ok(read("VmHWM:")?.saturating_sub(self.base))
    }
}

/// The bytes in the line with this label.
fn read(label: &str) -> Result<u64> {
    const FILE: &str = "/proc/self/status";
    let status = fs::read_to_string(FILE).context(FILE)?;
    find(&status, label).with_context(|| format!("no {label} in {FILE}"))
}

fn find(status: &str, label: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(label))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_is_in_kibibytes() {
        let status = "Name:\tx\nVmHWM:\t   13580 kB\nVmRSS:\t    7 kB\nThreads:\t1\n";
        assert_eq!(find(status, "VmHWM:"), Some(13_580 << 10));
        assert_eq!(find(status, "VmRSS:"), Some(7 << 10));
        assert_eq!(find(status, "VmSwap:"), None);
        assert_eq!(find(status, "Threads:"), None);
    }
}
