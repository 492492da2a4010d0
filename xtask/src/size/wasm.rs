//! The size of a WebAssembly module.

use anyhow::{Context, Result, ensure};
use comfy_table::Table;

use super::program::Recipe;
use super::table_of;
use crate::workspace::Workspace;

pub const TRIPLE: &str = "wasm32-unknown-unknown";

/// The features of the program, and the names of their allocators.
pub const ALLOCATORS: [(&str, &str); 10] = [
    ("talloc-smallest", "talloc, `WasmSmall`"),
    ("talloc", "talloc, `WasmDefault`"),
    ("talloc-real-time", "talloc, `RealTime`"),
    ("talloc-compact", "talloc, `Compact`"),
    ("talc5-smallest", "talc 5.1.1, smallest"),
    ("talc5", "talc 5.1.1"),
    ("rlsf-smallest", "rlsf 0.2.3, smallest"),
    ("rlsf", "rlsf 0.2.3"),
    ("dlmalloc", "dlmalloc 0.2.14"),
    ("lol-alloc", "lol_alloc 0.4.1"),
];

/// The most bytes of the first allocator's module, with `opt-level` z. The second allocator is compared with a peer.
const MAX_MODULE: u64 = 2500;
const PEER: &str = "dlmalloc";

/// The table, and whether the first two allocators are as small as they should be.
pub fn table(workspace: &Workspace) -> Result<(Table, Result<()>)> {
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
    let mut small_ones = Vec::new();
    for (feature, name) in ALLOCATORS {
        let [small, fast] = profiles.map(|profile| weigh(profile, feature));
        let weights = [small? - none[0], fast? - none[1]];
        small_ones.push((feature, weights[0]));
        rows.push([name.to_owned(), weights[0].to_string(), weights[1].to_string()]);
    }
    let table = table_of(["bytes of a module", "opt-level z", "opt-level 3"], rows);
    Ok((table, judge(&small_ones)))
}

/// Whether the first two allocators are as small as they should be.
fn judge(weights: &[(&str, u64)]) -> Result<()> {
    let peer =
        weights.iter().find(|(feature, _)| *feature == PEER).context("it is in the table")?.1;
    for ((feature, weight), most) in weights.iter().zip([MAX_MODULE, peer]) {
        ensure!(*weight <= most, "{feature} takes {weight} bytes of a module, more than {most}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_found() {
        let weights = |small, usual| [("talloc-smallest", small), ("talloc", usual), (PEER, 6000)];
        assert!(judge(&weights(MAX_MODULE, 6000)).is_ok());
        let error = judge(&weights(MAX_MODULE + 1, 6000)).unwrap_err().to_string();
        assert!(error.contains("talloc-smallest"), "{error}");
        let error = judge(&weights(MAX_MODULE, 6001)).unwrap_err().to_string();
        assert!(error.contains("more than 6000"), "{error}");
        assert!(judge(&[("talloc-smallest", 1)]).is_err());
    }
}
