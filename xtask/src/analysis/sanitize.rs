//! `sanitize`: the tests under the compiler's sanitizers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::camino::Utf8PathBuf;
use clap::ValueEnum;

use super::compiler::{Compiler, rustflags};
use super::suite;
use crate::workspace::Workspace;

#[derive(clap::Args)]
#[command(after_help = "\
Runs the libraries' tests and, with few scripts, the oracle's. AddressSanitizer does with the present \
compiler; the others need one with the standard library's sources, so that it is instrumented, too. \
Leaks are not looked for: the libraries have no memory but their arenas, which tests leak on purpose.")]
pub struct Args {
    /// The sanitizers; all if none is given.
    #[arg(value_enum)]
    sanitizers: Vec<Sanitizer>,
    /// Scripts that the oracle tries for each setup.
    #[arg(long, default_value_t = 2)]
    scripts: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sanitizer {
    Address,
    Thread,
    Memory,
}

impl Sanitizer {
    /// As `-Zsanitizer` calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Thread => "thread",
            Self::Memory => "memory",
        }
    }

    /// What its runtime library is called.
    fn runtime(self) -> &'static str {
        match self {
            Self::Address => "asan",
            Self::Thread => "tsan",
            Self::Memory => "msan",
        }
    }

    /// Whether code that is not instrumented makes it see things that are not there.
    fn wants_everything(self) -> bool {
        matches!(self, Self::Thread | Self::Memory)
    }
}

/// Tests that limit the process's addresses, of which a sanitizer's shadow memory takes most, or its system calls, or
/// measure what is resident, as that is.
const LIMITS: [&str; 7] =
    ["limits", "limits_data", "limits_large", "idle", "huge_zeros", "environment", "refused_calls"];

/// Runs the tests under AddressSanitizer, the quickest, with the fewest scripts.
pub fn check(workspace: &Workspace) -> Result<()> {
    run(workspace, &Args { sanitizers: vec![Sanitizer::Address], scripts: 1 })
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let all = Sanitizer::value_variants();
    let sanitizers = if args.sanitizers.is_empty() { all } else { &args.sanitizers };
    for sanitizer in sanitizers {
        eprintln!("\n== {} sanitizer", sanitizer.name());
        test(workspace, *sanitizer, args.scripts)
            .with_context(|| format!("{} sanitizer", sanitizer.name()))?;
    }
    Ok(())
}

fn test(workspace: &Workspace, sanitizer: Sanitizer, scripts: u32) -> Result<()> {
    let (compiler, flags, build_std) = if sanitizer.wants_everything() {
        let compiler = Compiler::with_sources(workspace)?;
        let sysroot = sysroot(workspace, &compiler, sanitizer)?;
        let flags = vec!["--sysroot".to_owned(), sysroot.into_string()];
        (compiler, flags, Some("-Zbuild-std=std,test,panic_unwind"))
    } else {
        let compiler = Compiler::present(workspace)?;
        runtime_in(&compiler.libraries(), sanitizer).with_context(|| how_to_get(&compiler))?;
        (compiler, Vec::new(), None)
    };
    let sanitize = format!("-Zsanitizer={}", sanitizer.name());
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain([sanitize.as_str()]).collect();

    let excluded = [&LIMITS[..], &[suite::EXAMPLES]].concat();
    let target = workspace.scratch("sanitize").join(sanitizer.name());
    // The oracle has no unit tests, for which all of it would be built once more.
    let units = suite::select_units(&workspace.libraries()?);
    let files = suite::select_files(&suite::packages(workspace)?, &excluded)?;
    for selected in [units, files] {
        compiler
            .cargo(workspace)
            .args(["test", "--no-fail-fast", "--target", &compiler.host])
            .args(["--target-dir", target.as_str()])
            .args(build_std)
            .args(rustflags(&compiler.host, &flags))
            .args(selected)
            .args(workspace.stable_features()?)
            .env(suite::SCRIPTS, scripts.to_string())
            .env("ASAN_OPTIONS", "detect_leaks=0")
            .run_tests()?;
    }
    Ok(())
}

/// A system root like the compiler's, with the runtime library of the sanitizer.
///
/// Distributions leave those libraries out. One of rustup's goes with every compiler that is built
/// on the same version of LLVM.
fn sysroot(
    workspace: &Workspace,
    compiler: &Compiler,
    sanitizer: Sanitizer,
) -> Result<Utf8PathBuf> {
    let libraries = compiler.libraries();
    let own = Utf8PathBuf::try_from(compiler.sysroot.clone())?;
    if runtime_in(&libraries, sanitizer).is_ok() {
        return Ok(own);
    }
    let present = Compiler::present(workspace)?;
    let runtime =
        runtime_in(&present.libraries(), sanitizer).with_context(|| how_to_get(compiler))?;
    ensure!(
        present.llvm == compiler.llvm,
        "the sanitizers' runtimes are of LLVM {}, but the compiler with sources is of LLVM {}; {}",
        present.llvm,
        compiler.llvm,
        how_to_get(compiler)
    );
    let root = workspace.scratch("sanitize").join("sysroot");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    let copy = root.join("lib/rustlib").join(&compiler.host).join("lib");
    fs::create_dir_all(&copy)?;
    for entry in fs::read_dir(libraries)? {
        let entry = entry?;
        link(&entry.path(), &copy.as_std_path().join(entry.file_name()))?;
    }
    // The name tells the channel of the compiler, and this is another one.
    for channel in ["stable", "beta", "nightly", "dev"] {
        let name = format!("librustc-{channel}_rt.{}.a", sanitizer.runtime());
        link(&runtime, &copy.as_std_path().join(name))?;
    }
    Ok(root)
}

/// The sanitizer's runtime library among those of a compiler.
fn runtime_in(libraries: &Path, sanitizer: Sanitizer) -> Result<PathBuf> {
    let suffix = format!("_rt.{}.a", sanitizer.runtime());
    let folder = fs::read_dir(libraries)
        .with_context(|| format!("the compiler has no libraries in {}", libraries.display()))?;
    for entry in folder {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&suffix)) {
            return Ok(path);
        }
    }
    bail!("there is no library `*{suffix}` in {}", libraries.display())
}

#[cfg(unix)]
fn link(original: &Path, link: &Path) -> Result<()> {
    Ok(std::os::unix::fs::symlink(original, link)?)
}

#[cfg(not(unix))]
fn link(original: &Path, link: &Path) -> Result<()> {
    fs::copy(original, link)?;
    Ok(())
}

fn how_to_get(compiler: &Compiler) -> String {
    format!(
        "the sanitizers' runtime libraries for {} come with the compilers of rustup; \
         see https://rustup.rs, then run this by one of them",
        compiler.host
    )
}
