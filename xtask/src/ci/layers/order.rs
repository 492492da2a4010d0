//! The order of the modules of the libraries, from the lowest up.
//!
//! A module uses only modules that stand before it. Files in a module's folder are parts of that module:
//! they may use each other and their parent, but files next to each other form no circle.
//!
//! A new module is added here, after the last module that it uses.

/// The modules of one library.
pub struct Order {
    pub package: &'static str,
    /// The modules right in the library, from the lowest up.
    pub modules: &'static [&'static str],
    /// The circles that are meant to be.
    pub circles: &'static [Circle],
}

/// Modules that use each other, and are read together.
pub struct Circle {
    /// The module whose parts they are, or `""` for the library itself.
    pub parent: &'static str,
    pub modules: &'static [&'static str],
    /// Why the circle is there.
    #[allow(dead_code, reason = "for readers")]
    pub why: &'static str,
}

pub const ORDERS: [Order; 3] = [
    Order {
        package: "talloc-core",
        modules: &[
            // Texts, errors and reports.
            "printed",
            "memory",
            "kind",
            "error",
            "misuse",
            "report",
            "statistics",
            "chunk",
            // Numbers, words and handles.
            "granule",
            "size_classes",
            "select",
            "binning",
            "checks",
            "window",
            "free_chunk",
            "trie",
            // The heap.
            "quick",
            "batch",
            "config",
            "bin",
            "arena",
            "source",
            "talloc",
            // Layers around it.
            "decay",
            "outline",
            "shared",
            "tallock",
            // No code: where a request goes.
            "walkthrough",
        ],
        circles: &[
            Circle {
                parent: "",
                modules: &["source", "talloc"],
                why: "the heap asks its source for memory, and `Source::acquire` is passed the \
                      heap, to which it adds an arena",
            },
            Circle {
                parent: "talloc::arenas",
                modules: &["further", "index"],
                why: "the index leads to the structures of further arenas, and lies in the first \
                      of them",
            },
        ],
    },
    Order {
        package: "talloc-sync",
        modules: &["lock", "kinds", "critical", "local", "magazines", "threads"],
        circles: &[Circle {
            parent: "threads",
            modules: &["host", "shard"],
            why: "a shard is generic over its host, and `Host::current` returns the caller's shard",
        }],
    },
    Order {
        package: "talloc-global",
        modules: &[
            "linear",
            "snapshot",
            "global_alloc",
            "misuse",
            "source",
            // Names by topic.
            "config",
            "custom",
            "inspect",
            "kinds",
        ],
        circles: &[],
    },
];
