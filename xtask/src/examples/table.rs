//! What there is to run.

use super::place::Place;
use crate::targets::qemu::{Board, boards};

pub struct Example {
    pub name: &'static str,
    /// The example or the package of that name is run.
    pub program: &'static str,
    pub place: Place,
    /// What lines must contain, one after the other.
    pub says: &'static [&'static str],
}

/// What the firmware prints, wherever it is.
const FIRMWARE: [&str; 7] = [
    "at the start: arenas: 0, of 0 bytes;",
    "last line: sensor 4: 184 to 256, of 60 readings",
    "readings of each sensor: [(0, 60), (1, 60), (2, 60), (3, 60), (4, 60)]",
    "with the log: arenas: 1, of ",
    "as much as all of the heap: memory allocation failed",
    "used: 0; ",
    "passed: ",
];

const fn firmware(about: &'static str, triple: &'static str, board: Board) -> Example {
    let place = Place::Board { about, triple, board };
    Example { name: "firmware", program: "firmware", place, says: &FIRMWARE }
}

const fn here(
    name: &'static str,
    arguments: &'static [&'static str],
    says: &'static [&'static str],
) -> Example {
    Example { name, program: name, place: Place::Here(arguments), says }
}

/// The quick ones first.
pub const EXAMPLES: [Example; 12] = [
    here(
        "arena",
        &[],
        &[
            "400 bytes of zeros",
            "800 bytes in use, ",
            "0 bytes in use, ",
            "10000 bytes: out of memory",
        ],
    ),
    here(
        "global_static",
        &[],
        &["allocated in the arena: true", "a block that does not fit is refused: true"],
    ),
    here(
        "two_memories",
        &[],
        &["the picture is in the external memory", "a larger buffer: out of memory"],
    ),
    here("oom_handler", &[], &["grows from 524288 to 1048576 bytes", " in 1048576 bytes"]),
    here("index", &["crates"], &["text  ", "words  ", "heap peak  ", "heap at exit  "]),
    firmware("a Cortex-M3", "thumbv7m-none-eabi", boards::CORTEX_M3),
    firmware("a Cortex-M0", "thumbv6m-none-eabi", boards::CORTEX_M0),
    firmware("RISC-V", "riscv32imac-unknown-none-elf", boards::RISCV32),
    firmware("RISC-V without atomics", "riscv32i-unknown-none-elf", boards::RISCV32),
    Example {
        name: "firmware-trace",
        program: "firmware",
        place: Place::Recorded {
            about: "a Cortex-M3, with a trace",
            triple: "thumbv7m-none-eabi",
            board: boards::CORTEX_M3,
        },
        says: &[
            "passed: ",
            "firmware.atr: ",
            " micro ",
            " tiny ",
            "Smallest: ",
            "firmware.heap: ",
            ">blocks</text>",
            ">free</text>",
            ">top</text>",
        ],
    },
    Example {
        name: "probe",
        program: "probe",
        place: Place::Probed {
            about: "a Cortex-M4F, by RTT and by defmt",
            triple: "thumbv7em-none-eabi",
            board: boards::CORTEX_M4F,
        },
        says: &["100 lines, 0 events lost", "passed"],
    },
    Example {
        name: "kernel",
        program: "kernel",
        place: Place::Pc,
        says: &[
            "heap: arenas: 3, of ",
            "4 cores: 40000 parcels, none lost",
            ": the heap claims the reserve ",
            "exhausted after ",
            "heap: arenas: 4, of ",
            "passed: 4 arenas, all free again",
        ],
    },
];
