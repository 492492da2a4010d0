//! The step that keeps the dependencies of the libraries, and of their modules, pointing down.

mod modules;
mod order;

use anyhow::{Result, ensure};
use cargo_metadata::camino::Utf8Path;
use cargo_metadata::{DependencyKind, Package};
use itertools::Itertools;

use crate::workspace::{INTERFACE, LAYERS, OBSERVERS, TOOL, Workspace};
use modules::Modules;
use order::ORDERS;

pub fn check(workspace: &Workspace) -> Result<()> {
    let members = workspace.members();
    let folder = workspace.root().join("crates");
    let (libraries, tools): (Vec<&Package>, Vec<&Package>) =
        members.iter().partition(|member| is_library(&folder, &member.manifest_path));

    let unknown = libraries.iter().filter(|package| below(&package.name).is_none());
    let unknown = unknown.map(|package| package.name.as_str()).join(", ");
    ensure!(unknown.is_empty(), "crates/ holds packages that no layer is known of: {unknown}");

    let tools: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let uses = libraries.iter().flat_map(|package| {
        package.dependencies.iter().map(|used| (&*package.name, &*used.name, used.kind))
    });
    let violations: Vec<String> =
        uses.filter_map(|(user, used, kind)| violation(user, used, kind, &tools)).collect();
    ensure!(violations.is_empty(), "{}", violations.join("\n"));

    eprintln!("{} <- {INTERFACE}, {TOOL}", LAYERS.join(" <- "));
    eprintln!("{} <- {INTERFACE}, {TOOL}", OBSERVERS.join(" <- "));
    check_modules(&folder)
}

/// Checks that the modules of the libraries in `folder` use only those below them.
fn check_modules(folder: &Utf8Path) -> Result<()> {
    let mut violations = Vec::new();
    for order in &ORDERS {
        let root = folder.join(order.package).join("src/lib.rs");
        violations.extend(Modules::read(&root)?.violations(order));
    }
    ensure!(violations.is_empty(), "{}", violations.join("\n"));
    for order in &ORDERS {
        eprintln!("{}: {}", order.package, order.modules.join(" <- "));
    }
    Ok(())
}

/// Whether a manifest is that of a folder right in `crates`. Deeper, there are examples.
fn is_library(crates: &Utf8Path, manifest: &Utf8Path) -> bool {
    manifest.ancestors().nth(2) == Some(crates)
}

/// What is wrong with the library `user` depending on `used`, if something is.
///
/// Tests may use the library itself (to enable a feature) and the workspace's tools.
fn violation(user: &str, used: &str, kind: DependencyKind, tools: &[&str]) -> Option<String> {
    let test = kind == DependencyKind::Development;
    let usable = below(user).unwrap_or_default();
    let allowed = if below(used).is_some() {
        usable.contains(&used) || (test && used == user)
    } else {
        test || !tools.contains(&used)
    };
    (!allowed).then(|| {
        format!("{user} depends on {used}; of the workspace it may use: [{}]", usable.join(", "))
    })
}

/// The libraries that one may use; none if it is not known.
///
/// The interface and the tool may use all layers and observers; neither is used by any. The topmost layer may use the
/// lowest observer, for the formats in which a heap says what is in it.
fn below(package: &str) -> Option<Vec<&'static str>> {
    match package {
        INTERFACE | TOOL => return Some(LAYERS.into_iter().chain(OBSERVERS).collect()),
        _ => {}
    }
    let formats = (LAYERS.last() == Some(&package)).then_some(OBSERVERS[0]);
    [LAYERS.as_slice(), OBSERVERS.as_slice()].into_iter().find_map(|order| {
        let rank = order.iter().position(|library| *library == package)?;
        Some(order[..rank].iter().copied().chain(formats).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use DependencyKind::{Build, Development, Normal};

    fn allowed(user: &str, used: &str, kind: DependencyKind) -> bool {
        violation(user, used, kind, &["talloc-fuzz", "xtask"]).is_none()
    }

    #[test]
    fn only_lower_layers_may_be_used() {
        for (user_rank, user) in LAYERS.into_iter().enumerate() {
            for (used_rank, used) in LAYERS.into_iter().enumerate() {
                assert_eq!(allowed(user, used, Normal), used_rank < user_rank, "{user} {used}");
                assert_eq!(allowed(user, used, Build), used_rank < user_rank, "{user} {used}");
            }
        }
    }

    #[test]
    fn tests_may_use_tools_and_the_library_itself_but_no_higher_layer() {
        assert!(allowed("talloc-core", "talloc-fuzz", Development));
        assert!(allowed("talloc-core", "talloc-core", Development));
        assert!(!allowed("talloc-core", "talloc-sync", Development));
        assert!(!allowed("talloc-core", "talloc-fuzz", Normal));
    }

    #[test]
    fn no_layer_may_use_the_interface_which_may_use_all() {
        for layer in LAYERS {
            assert!(!allowed(layer, INTERFACE, Normal), "{layer}");
            assert!(allowed(INTERFACE, layer, Normal), "{layer}");
        }
    }

    #[test]
    fn observers_use_no_heap_and_heaps_only_their_formats() {
        for observer in OBSERVERS {
            assert!(allowed(TOOL, observer, Normal), "{observer}");
            assert!(allowed(INTERFACE, observer, Normal), "{observer}");
            assert!(!allowed("talloc-sync", observer, Normal), "{observer}");
            assert!(!allowed(observer, "talloc-span", Normal), "{observer}");
        }
        assert!(allowed("talloc-global", "talloc-trace", Normal));
        assert!(!allowed("talloc-global", "talloc-profile", Normal));
        assert!(allowed("talloc-profile", "talloc-trace", Normal));
        assert!(!allowed("talloc-trace", "talloc-profile", Normal));
        assert!(allowed("talloc-profile", "talloc-sampling", Normal));
        assert!(allowed("talloc-guarded", "talloc-sampling", Normal));
        assert!(!allowed("talloc-sampling", "talloc-guarded", Normal));
        assert!(allowed(TOOL, "talloc-global", Normal));
        assert!(!allowed(TOOL, INTERFACE, Normal));
        assert!(!allowed("talloc-profile", TOOL, Normal));
    }

    #[test]
    fn packages_from_elsewhere_are_no_concern() {
        assert!(allowed("talloc-span", "static_assertions", Normal));
    }

    #[test]
    fn libraries_lie_right_in_their_folder() {
        let is_library = |path: &str| is_library("/w/crates".into(), path.into());
        assert!(is_library("/w/crates/talloc-core/Cargo.toml"));
        assert!(!is_library("/w/crates/talloc-core/examples/kernel/Cargo.toml"));
        assert!(!is_library("/w/xtask/exercise/Cargo.toml"));
    }

    #[test]
    fn a_violation_names_both_packages_and_what_is_allowed() {
        let message = violation("talloc-core", "talloc-global", Normal, &[]).unwrap();
        assert!(message.starts_with("talloc-core depends on talloc-global"), "{message}");
        assert!(message.ends_with("[talloc-span]"), "{message}");
    }
}
