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
    /// The package's tests.
    Tests(Tests),
    /// An executable, which is run with each of these arguments, and the folders of all packages that
    /// it needs.
    Searches {
        executable: &'static str,
        arguments: &'static [&'static [&'static str]],
        /// Whether lines always come in the same order.
        in_order: bool,
    },
}

/// Which tests of a package run.
#[derive(Debug)]
pub struct Tests {
    /// The features of the package that the tests need.
    pub features: &'static [&'static str],
    /// The files of the `tests` folder that run besides the unit tests. All of them run if this is empty.
    pub files: &'static [&'static str],
    /// A file that the tests refer to and that is not in the package. An empty file replaces it.
    pub unpublished: Option<&'static str>,
    pub arguments: &'static [&'static str],
}

/// All tests, which print in the same order each time.
const ALL: Tests =
    Tests { features: &[], files: &[], unpublished: None, arguments: &["--test-threads=1"] };

pub const PROGRAMS: [Program; 8] = [
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
        kind: Kind::Tests(Tests { features: &["rayon", "serde"], ..ALL }),
    },
    Program {
        name: "indexmap",
        package: "indexmap",
        version: "2.14.0",
        about: "its tests, those with random maps among them",
        kind: Kind::Tests(ALL),
    },
    Program {
        name: "rayon-core",
        package: "rayon-core",
        version: "1.13.0",
        about: "its tests, with many threads",
        kind: Kind::Tests(Tests {
            // Skip slow tests, which only sleep or count.
            arguments: &["--test-threads=1", "--skip=sleep", "--skip=join_counter_overflow"],
            ..ALL
        }),
    },
    Program {
        name: "regex",
        package: "regex",
        version: "1.13.2",
        about: "its tests, except for those that a fuzzer found",
        kind: Kind::Tests(Tests { unpublished: Some("tests/fuzz/mod.rs"), ..ALL }),
    },
    Program {
        name: "serde_json",
        package: "serde_json",
        version: "1.0.154",
        about: "its tests",
        kind: Kind::Tests(Tests { features: &["unbounded_depth"], ..ALL }),
    },
    Program {
        name: "tokio",
        package: "tokio",
        version: "1.54.1",
        about: "its tests of the runtime, of tasks and of channels, with many threads",
        kind: Kind::Tests(Tests {
            features: &["full", "test-util"],
            // The others wait for the clock, for signals or for a network, or mix the types of this copy
            // with those of the version that the test utilities depend on.
            files: &[
                "io_mem_stream",
                "io_split",
                "rt_handle",
                "rt_threaded",
                "sync_broadcast",
                "sync_mpsc",
                "sync_notify",
                "sync_oneshot",
                "sync_rwlock",
                "sync_semaphore",
                "sync_watch",
                "task_join_set",
                "task_local_set",
            ],
            arguments: &[
                "--test-threads=1",
                // These sleep.
                "--skip=sleep",
                "--skip=hang_on_shutdown",
                "--skip=wake_during_shutdown",
                // These depend on how fast the machine is.
                "--skip=local_tasks_are_polled_after_tick",
                "--skip=test_tuning",
                // These spin until another thread is there.
                "--skip=queue::stress",
                // This one connects to itself by TCP.
                "--skip=spawn_shutdown",
            ],
            ..ALL
        }),
    },
];
