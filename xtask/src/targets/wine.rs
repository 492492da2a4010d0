//! Programs of Windows, in Wine.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::camino::Utf8PathBuf;

use crate::cmd::Cmd;
use crate::tools;
use crate::workspace::Workspace;

/// The path of the program in Debian's package. Its other names are in a package with more dependencies.
const PROGRAM: &str = "/usr/lib/wine/wine64";

/// A library of Windows that Rust's standard library takes random numbers from, and older Wines lack.
const RANDOM: &str = "
__declspec(dllimport) unsigned char SystemFunction036(void *, unsigned long);

__declspec(dllexport) int ProcessPrng(unsigned char *to, unsigned long long size) {
    for (; size > 0; ++to, --size) {
        if (!SystemFunction036(to, 1)) return 0;
    }
    return 1;
}
";

/// Returns the command that runs programs, and builds the library that Wine lacks.
pub fn runner(workspace: &Workspace, gcc: &Path, needs: &str) -> Result<String> {
    let program = if Path::new(PROGRAM).exists() { PROGRAM } else { "wine64" };
    let program = tools::require(program, needs)?;
    let folder = folder(workspace);
    fs::create_dir_all(&folder)?;
    let source = folder.join("random.c");
    fs::write(&source, RANDOM).with_context(|| format!("cannot write {source}"))?;
    let library = folder.join("bcryptprimitives.dll");
    Cmd::new(workspace.shell(), gcc)
        .args(["-shared", "-o", library.as_str(), source.as_str(), "-ladvapi32"])
        .run()?;
    Ok(program.display().to_string())
}

/// Sets the environment for Wine: the path of that library, and the folder for Wine's own files.
pub fn set_up<'a>(workspace: &Workspace, cargo: Cmd<'a>) -> Cmd<'a> {
    let folder = folder(workspace);
    cargo
        .env("WINEDEBUG", "-all")
        .env("WINEPREFIX", folder.join("prefix").into_string())
        // The root of this machine's files is a drive there.
        .env("WINEPATH", format!("Z:{}", folder.as_str().replace('/', "\\")))
}

fn folder(workspace: &Workspace) -> Utf8PathBuf {
    workspace.scratch("wine")
}
