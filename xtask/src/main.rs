//! The project's tasks: `cargo xtask TASK`.
//!
//! What CI runs is what people run. A task is a file with its arguments (`Args`) and a `run`
//! function; [`Task`] lists them. Every command a task starts is echoed first (see [`cmd`]), so it
//! can be repeated without this program.

mod analysis;
mod bench;
mod bounds;
mod browser;
mod ci;
mod cmd;
#[cfg(test)]
mod documented;
mod examples;
mod faults;
mod features;
mod fuzz;
mod jobs;
mod measured;
mod msrv;
mod preload;
mod programs;
mod server;
mod size;
mod soak;
mod suite;
mod targets;
mod tools;
mod viewers;
mod walkthroughs;
mod workspace;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The project's tasks.")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the checks a change must pass.
    Ci(ci::Args),
    /// Build and test the libraries with the oldest supported compiler.
    Msrv(msrv::Args),
    /// Run the libraries on other machines, in emulators.
    Targets(targets::Args),
    /// Run the examples, a kernel and firmware in emulators.
    Examples(examples::Args),
    /// Run the commands of the walkthroughs, and make their pictures.
    Walkthroughs(walkthroughs::Args),
    /// Open our profiles in the programs that they are for.
    Viewers(viewers::Args),
    /// Weigh the code of allocators, ours and others.
    Size(size::Args),
    /// Count what operations cost at the worst, in instructions of a microcontroller.
    Bounds(bounds::Args),
    /// Run the benchmarks; the arguments are theirs.
    Bench(bench::Args),
    /// Run the fuzz targets.
    Fuzz(fuzz::Args),
    /// Plant memory errors in random programs, and print what the levels of heap do about them.
    Faults(faults::Args),
    /// Run real programs with our `malloc` instead of the C library's.
    Preload(preload::Args),
    /// Run real programs of Rust's with our heap, the system's and mimalloc.
    Programs(programs::Args),
    /// Run a server under load with our `malloc`, the C library's and others.
    Server(server::Args),
    /// Check the heap through a hundred million random operations.
    Soak(soak::Args),
    /// Run the programs of mimalloc-bench with our `malloc`, the C library's and others.
    Suite(suite::Args),
    /// Run the tests under the compiler's sanitizers.
    Sanitize(analysis::sanitize::Args),
    /// Run the libraries' tests in the interpreter Miri.
    Miri(analysis::miri::Args),
    /// Run the core's tests and the examples under valgrind's memcheck.
    Valgrind(analysis::valgrind::Args),
    /// Check models of the locks.
    Loom(analysis::loom::Args),
    /// Show what of the libraries the tests run.
    Coverage(analysis::coverage::Args),
    /// Change the core and see whether the tests notice.
    Mutants(analysis::mutants::Args),
    /// Compare what operations cost in instructions with the budget.
    Instructions(analysis::instructions::Args),
}

fn main() -> ExitCode {
    if let Some(result) = measured::launcher::main() {
        return exit_code(result);
    }
    let Cli { task } = Cli::parse();
    let start = Instant::now();
    let result = run(task);
    eprintln!("took {:.1} s", start.elapsed().as_secs_f64());
    exit_code(result)
}

fn exit_code(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not with `Debug`, which may add a backtrace of this program: what failed is another.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let workspace = Workspace::load()?;
    match task {
        Task::Ci(args) => ci::run(&workspace, &args),
        Task::Msrv(args) => msrv::run(&workspace, &args),
        Task::Targets(args) => targets::run(&workspace, &args),
        Task::Examples(args) => examples::run(&workspace, &args),
        Task::Walkthroughs(args) => walkthroughs::run(&workspace, &args),
        Task::Viewers(args) => viewers::run(&workspace, &args),
        Task::Size(args) => size::run(&workspace, &args),
        Task::Bounds(args) => bounds::run(&workspace, &args),
        Task::Bench(args) => bench::run(&workspace, &args),
        Task::Fuzz(args) => fuzz::run(&workspace, &args),
        Task::Faults(args) => faults::run(&workspace, &args),
        Task::Preload(args) => preload::run(&workspace, &args),
        Task::Programs(args) => programs::run(&workspace, &args),
        Task::Server(args) => server::run(&workspace, &args),
        Task::Soak(args) => soak::run(&workspace, &args),
        Task::Suite(args) => suite::run(&workspace, &args),
        Task::Sanitize(args) => analysis::sanitize::run(&workspace, &args),
        Task::Miri(args) => analysis::miri::run(&workspace, &args),
        Task::Valgrind(args) => analysis::valgrind::run(&workspace, &args),
        Task::Loom(args) => analysis::loom::run(&workspace, &args),
        Task::Coverage(args) => analysis::coverage::run(&workspace, &args),
        Task::Mutants(args) => analysis::mutants::run(&workspace, &args),
        Task::Instructions(args) => analysis::instructions::run(&workspace, &args),
    }
}
