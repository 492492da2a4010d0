//! The table of targets.

use super::exercise::{Machine, Runner};
use super::hosted::{Runs, System};
use super::qemu::{Board, boards};
use super::texts;

pub struct Target {
    pub name: &'static str,
    pub triple: &'static str,
    pub about: &'static str,
    pub kind: Kind,
}

pub enum Kind {
    /// The libraries' tests, on a system.
    Tests(System),
    /// The tests of tagged blocks, on a system whose memory has tags.
    Tagging(System),
    /// The program of `xtask/exercise`, on a machine without an operating system.
    Exercise(Machine),
    /// The comparison of the output of defmt and `core::fmt`.
    Texts(Board),
    /// A build of the libraries.
    Build,
    /// A build that the compiler must refuse, with this text in its message.
    Refused(&'static str),
}

impl Target {
    /// The programs that the target needs.
    pub fn needs(&self) -> String {
        match &self.kind {
            Kind::Tests(system) | Kind::Tagging(system) => {
                format!("{}; {COMPILER}", system.needs())
            }
            Kind::Exercise(Machine { runner: Runner::Native, .. }) => "nothing".to_owned(),
            Kind::Exercise(machine) => {
                format!("{INSTALL} {} lld; {COMPILER}", machine.runner.package())
            }
            Kind::Texts(board) => {
                format!("{INSTALL} {} lld; {}; {COMPILER}", board.package, texts::HOW_TO_GET)
            }
            Kind::Build | Kind::Refused(_) => COMPILER.to_owned(),
        }
    }
}

/// The command that installs packages, on Debian.
pub const INSTALL: &str = "apt-get install --no-install-recommends";

const COMPILER: &str = "a compiler with the target, or with the standard library's sources";

const fn tests(
    name: &'static str,
    triple: &'static str,
    about: &'static str,
    system: System,
) -> Target {
    Target { name, triple, about, kind: Kind::Tests(system) }
}

const fn board(name: &'static str, triple: &'static str, board: Board) -> Target {
    Target {
        name,
        triple,
        about: "the exercise on a bare machine, with interrupts that allocate",
        kind: Kind::Exercise(Machine { runner: Runner::Qemu(board), has_timer: true }),
    }
}

const fn build(name: &'static str, triple: &'static str) -> Target {
    Target {
        name,
        triple,
        about: "the libraries are built, with all features that need no compare-and-swap",
        kind: Kind::Build,
    }
}

/// The quick ones first.
pub const TARGETS: [Target; 17] = [
    Target {
        name: "here",
        triple: "this machine",
        about: "the exercise as an ordinary program",
        kind: Kind::Exercise(Machine { runner: Runner::Native, has_timer: false }),
    },
    build("thumbv6m", "thumbv6m-none-eabi"),
    build("riscv32i", "riscv32i-unknown-none-elf"),
    board("cortex-m0", "thumbv6m-none-eabi", boards::CORTEX_M0),
    board("cortex-m3", "thumbv7m-none-eabi", boards::CORTEX_M3),
    board("cortex-m4f", "thumbv7em-none-eabihf", boards::CORTEX_M4F),
    board("riscv32", "riscv32imac-unknown-none-elf", boards::RISCV32),
    board("riscv64", "riscv64imac-unknown-none-elf", boards::RISCV64),
    Target {
        name: "defmt",
        triple: "thumbv7m-none-eabi",
        about: "what defmt prints is what core::fmt prints",
        kind: Kind::Texts(boards::CORTEX_M3),
    },
    Target {
        name: "wasm32",
        triple: "wasm32-unknown-unknown",
        about: "the exercise in Node, with memory that grows",
        kind: Kind::Exercise(Machine { runner: Runner::Node, has_timer: false }),
    },
    Target {
        name: "emscripten",
        triple: "wasm32-unknown-emscripten",
        about: "talloc-global is refused, for the system would use the same memory",
        kind: Kind::Refused("talloc-global does not support Emscripten"),
    },
    tests(
        "i686",
        "i686-unknown-linux-gnu",
        "the tests on a 32-bit machine",
        System {
            gcc: "i686-linux-gnu",
            packages: "gcc-i686-linux-gnu libc6-dev-i386-cross libc6-i386 lib32gcc-s1",
            runs: Runs::Here,
        },
    ),
    tests(
        "windows",
        "x86_64-pc-windows-gnu",
        "the tests with the memory of Windows, by Wine",
        System {
            gcc: "x86_64-w64-mingw32",
            packages: "gcc-mingw-w64-x86-64 wine64",
            runs: Runs::Wine,
        },
    ),
    tests(
        "armv7",
        "armv7-unknown-linux-gnueabihf",
        "the tests on a 32-bit machine of another kind",
        System {
            gcc: "arm-linux-gnueabihf",
            packages: "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user",
            runs: Runs::Qemu("qemu-arm"),
        },
    ),
    Target {
        name: "tagging",
        triple: "aarch64-unknown-linux-gnu",
        about: "the tests of blocks with memory tags (MTE), on a processor that has them",
        kind: Kind::Tagging(System {
            gcc: "aarch64-linux-gnu",
            packages: "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user",
            runs: Runs::QemuMax("qemu-aarch64"),
        }),
    },
    tests(
        "s390x",
        "s390x-unknown-linux-gnu",
        "the tests on a big-endian machine",
        System {
            gcc: "s390x-linux-gnu",
            packages: "gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user",
            runs: Runs::Qemu("qemu-s390x"),
        },
    ),
    tests(
        "powerpc64",
        "powerpc64-unknown-linux-gnu",
        "the tests on a big-endian machine of another kind",
        System {
            gcc: "powerpc64-linux-gnu",
            packages: "gcc-powerpc64-linux-gnu libc6-dev-ppc64-cross qemu-user",
            runs: Runs::Qemu("qemu-ppc64"),
        },
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_say_what_is_needed() {
        let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
        assert_eq!(names.len(), TARGETS.len());
        assert!(TARGETS.iter().all(|target| !target.needs().is_empty()));
    }
}
