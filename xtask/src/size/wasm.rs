//! The size of a WebAssembly module.

use anyhow::{Context, Result};
use comfy_table::Table;

use super::program::Recipe;
use super::table_of;
use crate::workspace::Workspace;

pub const TRIPLE: &str = "wasm32-unknown-unknown";

/// The features of the program, with what they stand for.
pub const ALLOCATORS: [(&str, &str); 9] = [
    ("talloc-smallest", "talloc, `WasmSmall`"),
    ("talloc-real-time", "talloc, `RealTime`"),
    ("talloc", "talloc, `Compact`"),
    ("talc5-smallest", "talc 5.1.1, smallest"),
    ("talc5", "talc 5.1.1"),
    ("rlsf-smallest", "rlsf 0.2.3, smallest"),
    ("rlsf", "rlsf 0.2.3"),
    ("dlmalloc", "dlmalloc 0.2.14"),
    ("lol-alloc", "lol_alloc 0.4.1"),
];

pub fn table(workspace: &Workspace) -> Result<Table> {
    let recipe = Recipe::new(workspace, TRIPLE)?;
    let weigh = |profile, feature| -> Result<u64> {
        let module = recipe.build(profile, &[feature])?;
        let data = module.metadata().with_context(|| format!("{module} is not there"))?;
        Ok(data.len())
    };
    let profiles = ["smallest", "fastest"];
    let [none_small, none_fast] = profiles.map(|profile| weigh(profile, "none"));
    let none = [none_small?, none_fast?];
    let mut rows = Vec::new();
    for (feature, name) in ALLOCATORS {
        let [small, fast] = profiles.map(|profile| weigh(profile, feature));
        let weights = [small? - none[0], fast? - none[1]];
        rows.push([name.to_owned(), weights[0].to_string(), weights[1].to_string()]);
    }
    Ok(table_of(["bytes of a module", "opt-level z", "opt-level 3"], rows))
}
