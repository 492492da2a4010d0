//! Runs a script, with or without the library.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};
use cargo_metadata::camino::Utf8Path;

use crate::measured;

/// A script to run in a folder.
pub struct Process<'a> {
    pub shell: &'a Path,
    pub script: &'a Utf8Path,
    /// Its standard output goes to a file there.
    pub folder: &'a Utf8Path,
    /// The preloaded library. The output of the dynamic linker goes to files in the folder `trace` next to the folder.
    pub preloaded: Option<&'a Utf8Path>,
}

/// The name of the file that the standard output goes to.
pub const OUTPUT: &str = "standard-output";

impl Process<'_> {
    /// Runs the script to its end. Returns the peak size of its largest process, in KiB.
    ///
    /// # Errors
    ///
    /// If the script does not end in time, or fails.
    pub fn run(&self, patience: Duration) -> Result<u64> {
        let mut command = Command::new(self.shell);
        command.arg("-eu").arg(self.script).current_dir(self.folder);
        command.stdin(Stdio::null()).stdout(File::create(self.folder.join(OUTPUT))?);
        if let Some(library) = self.preloaded {
            command.env("LD_PRELOAD", library).env("LD_DEBUG", "bindings");
            command.env("LD_DEBUG_OUTPUT", self.folder.with_file_name("trace").join("of"));
        }
        let shown = if self.preloaded.is_some() { " with the library preloaded" } else { "" };
        eprintln!("$ sh -eu {}{shown}", self.script);
        let measured = measured::run(&mut command, patience)?;
        ensure!(measured.status == 0, "the script failed, with status {:#x}", measured.status);
        Ok(measured.peak)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;

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
        let large = "head -c 500000000 /dev/zero | tail -n 1 | wc -c";
        let large = run("large", large, Duration::from_secs(60)).unwrap();
        assert_eq!(large.1.trim(), "500000000");
        assert!(large.0 > 450_000 && small.0 < large.0 / 2, "{small:?} {large:?}");
        assert!(measured::own_peak().unwrap() < large.0 / 2);
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
