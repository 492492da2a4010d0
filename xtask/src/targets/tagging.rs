//! The tests of tagged blocks, on a processor whose memory has tags.

use anyhow::Result;

use super::hosted::{self, System};
use crate::workspace::Workspace;

/// The package of the allocator, and a package whose tests use the allocator with heaps of these crates.
const PACKAGES: [&str; 2] = ["talloc-guarded", "talloc-cli"];

/// Tests of tags, and tests of the handler of faults, which guarded and tagged blocks share.
const TESTS: [&str; 5] = ["tagged", "tags", "tagged_programs", "accesses", "calls"];

/// The environment variable that makes the tests fail if there are no tags.
const DEMANDED: &str = "TALLOC_TEST_TAGS";

/// Makes the C library clear memory by stores. If `dc zva` clears memory with another tag, QEMU 7.2 does not report the
/// address of the fault.
const STORES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.name=kunpeng920");

pub fn run(workspace: &Workspace, triple: &str, system: &System) -> Result<String> {
    let tests = TESTS.into_iter().flat_map(|test| ["--test", test]);
    let packages = PACKAGES.into_iter().flat_map(|package| ["-p", package]);
    let cargo = hosted::cargo_test(workspace, triple, system)?
        .args(packages)
        .args(["--no-fail-fast", "--lib"])
        .args(tests)
        .env(DEMANDED, "1")
        .env(STORES.0, STORES.1);
    hosted::pass(cargo)
}
