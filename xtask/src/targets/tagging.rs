//! The tests of tagged blocks, on a processor whose memory has tags.

use anyhow::Result;

use super::hosted::{self, System};
use crate::workspace::Workspace;

const PACKAGE: &str = "talloc-guarded";

/// Tests of tags, and those of the handler of faults, which reports of both kinds have in common.
const TESTS: [&str; 5] = ["tagged", "tags", "tagged_programs", "accesses", "calls"];

/// The tests fail if there are no tags.
const DEMANDED: &str = "TALLOC_TEST_TAGS";

/// Has the C library clear memory by stores. QEMU 7.2 does not know the address if memory with a tag is cleared by `dc zva`.
const STORES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.name=kunpeng920");

pub fn run(workspace: &Workspace, triple: &str, system: &System) -> Result<String> {
    let tests = TESTS.into_iter().flat_map(|test| ["--test", test]);
    let cargo = hosted::cargo_test(workspace, triple, system)?
        .args(["-p", PACKAGE, "--no-fail-fast", "--lib"])
        .args(tests)
        .env(DEMANDED, "1")
        .env(STORES.0, STORES.1);
    hosted::pass(cargo)
}
