//! The programs.

/// A program from the registry, or the tests of a library.
#[derive(Debug)]
pub struct Program {
    pub name: &'static str,
    pub package: &'static str,
    pub version: &'static str,
    pub about: &'static str,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    /// The tests that come with the package, with these of its features, but for some.
    Tests { features: &'static [&'static str], arguments: &'static [&'static str] },
    /// An executable, which is run with each of these arguments, and the folders of all packages that
    /// it needs.
    Searches {
        executable: &'static str,
        arguments: &'static [&'static [&'static str]],
        /// Whether lines always come in the same order.
        in_order: bool,
    },
}

/// Of tests, which so print in the same order each time.
const ONE_BY_ONE: &[&str] = &["--test-threads=1"];

pub const PROGRAMS: [Program; 6] = [
    Program {
        name: "ripgrep",
        package: "ripgrep",
        version: "15.1.0",
        about: "searches by one thread, in the sources of all that it needs",
        kind: Kind::Searches {
            executable: "rg",
            arguments: &[
                &["--no-config", "--no-ignore", "--sort=path", "-n", r"fn \w+_\w+"],
                &["--no-config", "--no-ignore", "--sort=path", "-ic", "unsafe|alloc|free"],
                &["--no-config", "--no-ignore", "--sort=path", "-U", r"\{\n\s*return [^\n]*\n"],
                &["--no-config", "--no-ignore", "--sort=path", "-o", r"\w{5,}\s+\w{12,}"],
            ],
            in_order: true,
        },
    },
    Program {
        name: "ripgrep-threads",
        package: "ripgrep",
        version: "15.1.0",
        about: "searches by four threads",
        kind: Kind::Searches {
            executable: "rg",
            arguments: &[
                &["--no-config", "--no-ignore", "-j4", "-n", r"fn \w+_\w+"],
                &["--no-config", "--no-ignore", "-j4", "-ic", "unsafe|alloc|free"],
                &["--no-config", "--no-ignore", "-j4", "-o", r"\w{5,}\s+\w{12,}"],
            ],
            in_order: false,
        },
    },
    Program {
        name: "hashbrown",
        package: "hashbrown",
        version: "0.17.1",
        about: "its tests",
        kind: Kind::Tests { features: &["rayon", "serde"], arguments: ONE_BY_ONE },
    },
    Program {
        name: "indexmap",
        package: "indexmap",
        version: "2.14.0",
        about: "its tests, those with random maps among them",
        kind: Kind::Tests { features: &[], arguments: ONE_BY_ONE },
    },
    Program {
        name: "rayon-core",
        package: "rayon-core",
        version: "1.13.0",
        about: "its tests, with many threads",
        kind: Kind::Tests {
            features: &[],
            // What takes long there does so by sleeping and by counting.
            arguments: &["--test-threads=1", "--skip=sleep", "--skip=join_counter_overflow"],
        },
    },
    Program {
        name: "serde_json",
        package: "serde_json",
        version: "1.0.154",
        about: "its tests",
        kind: Kind::Tests { features: &["unbounded_depth"], arguments: ONE_BY_ONE },
    },
];
