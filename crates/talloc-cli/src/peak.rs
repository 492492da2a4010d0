//! How much memory a process takes at most.

use std::fs;

/// Measures the most memory that the process takes from here on.
pub struct Peak {
    before: u64,
}

impl Peak {
    /// Begins; none where the operating system does not tell.
    pub fn begin() -> Option<Self> {
        // Resets the high-water mark.
        fs::write("/proc/self/clear_refs", "5").ok()?;
        Some(Self { before: status("VmRSS:")? })
    }

    /// How many bytes were taken on top of what there was at the beginning.
    pub fn bytes(&self) -> Option<u64> {
        Some(status("VmHWM:")?.saturating_sub(self.before))
    }
}

/// A field of `/proc/self/status`, in bytes.
fn status(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}
