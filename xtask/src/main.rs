//! The project's tasks: `cargo xtask TASK`.
//!
//! CI runs the same tasks as people. A task is a file with its arguments (`Args`) and a `run`
//! function; [`Task`] lists the tasks. A task prints every command before it starts it (see [`cmd`]), so the command
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
mod tables;
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
    /// Open profiles and traces in pprof, heaptrack, dh_view and a browser.
    Viewers(viewers::Args),
    /// Measure the code size of talloc and other allocators.
    Size(size::Args),
    /// Count the most instructions of an operation on a microcontroller.
    Bounds(bounds::Args),
    /// Run the benchmarks; the arguments are passed on.
    Bench(bench::Args),
    /// Run the fuzz targets.
    Fuzz(fuzz::Args),
    /// Plant memory errors in random programs, and print how many each level of heap catches.
    Faults(faults::Args),
    /// Run real programs with talloc's `malloc` instead of the C library's.
    Preload(preload::Args),
    /// Run real Rust programs with talloc, the system's allocator and mimalloc.
    Programs(programs::Args),
    /// Run a server under load with talloc's `malloc`, the C library's and others.
    Server(server::Args),
    /// Check heaps in a hundred million random operations.
    Soak(soak::Args),
    /// Run the programs of mimalloc-bench with talloc's `malloc`, the C library's and others.
    Suite(suite::Args),
    /// Run the tests under the compiler's sanitizers.
    Sanitize(analysis::sanitize::Args),
    /// Run the libraries' tests in the interpreter Miri.
    Miri(analysis::miri::Args),
    /// Run the core's tests and the examples under valgrind's memcheck.
    Valgrind(analysis::valgrind::Args),
    /// Check models of the locks.
    Loom(analysis::loom::Args),
    /// Measure the coverage of the libraries by their tests.
    Coverage(analysis::coverage::Args),
    /// Mutate the core, and check that the tests fail.
    Mutants(analysis::mutants::Args),
    /// Compare the instructions of operations with the budget.
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
            // Do not print with `Debug`, which may add a backtrace of this program, though another program failed.
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
