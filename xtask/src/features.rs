//! A package's features: their implications, and their different sets.

use std::collections::{BTreeMap, BTreeSet};

use itertools::Itertools;

/// The feature that needs an unstable compiler.
pub const NIGHTLY: &str = "allocator_api";
/// The feature that makes programs for debug probes, which some linkers refuse to link for a system.
pub const DEFMT: &str = "defmt";
/// The feature that needs the standard library.
pub const STD: &str = "std";

/// With more features than this, only these sets are checked: none, each alone, and all.
const POWERSET_LIMIT: usize = 4;

/// The `[features]` of a manifest: the features that each feature enables.
pub type Features = BTreeMap<String, Vec<String>>;
pub type Set = BTreeSet<String>;

/// The features that neither are `excluded` nor enable an excluded feature. `default` is left out, because
/// it is only a set of others.
pub fn without(features: &Features, excluded: &[&str]) -> Vec<String> {
    let allowed = |feature: &&String| {
        let enabled = closure(features, [feature.as_str()]);
        *feature != "default" && !excluded.iter().any(|excluded| enabled.contains(*excluded))
    };
    features.keys().filter(allowed).cloned().collect()
}

/// The features that are enabled by default.
pub fn usual(features: &Features) -> Set {
    closure(features, ["default"])
}

/// The sets of `chosen` features that enable different things, small ones first.
///
/// Each set contains all features that its members enable, so equivalent sets are the same. The
/// number of sets is exponential up to [`POWERSET_LIMIT`] features, and linear above: a feature that needs another
/// one fails alone, and one that excludes another one fails with all.
pub fn combinations(features: &Features, chosen: &[String]) -> Vec<Set> {
    let all = chosen.len();
    let is_checked = |size: &usize| all <= POWERSET_LIMIT || *size <= 1 || *size == all;
    (0..=all)
        .filter(is_checked)
        .flat_map(|size| chosen.iter().combinations(size))
        .map(|set| closure(features, set.into_iter().map(String::as_str)))
        .unique()
        .sorted_by_key(BTreeSet::len)
        .collect()
}

/// `--features a,b`, or nothing for no feature.
pub fn as_argument<'a>(features: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let list = features.into_iter().join(",");
    if list.is_empty() { Vec::new() } else { vec!["--features".to_owned(), list] }
}

/// `seeds` and the features of the same package that they enable, directly or not.
fn closure<'a>(features: &'a Features, seeds: impl IntoIterator<Item = &'a str>) -> Set {
    let mut enabled = Set::new();
    let mut pending: Vec<&str> = seeds.into_iter().collect();
    while let Some(feature) = pending.pop() {
        // `dep:name` and `name/feature` are of other packages.
        let Some(enables) = features.get(feature) else { continue };
        if enabled.insert(feature.to_owned()) {
            pending.extend(enables.iter().map(String::as_str));
        }
    }
    enabled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(list: &[(&str, &[&str])]) -> Features {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        list.iter().map(|(name, enables)| (name.to_string(), owned(enables))).collect()
    }

    fn sets(features: &Features, chosen: &[&str]) -> Vec<String> {
        let chosen: Vec<String> = chosen.iter().map(|name| name.to_string()).collect();
        combinations(features, &chosen).iter().map(|set| set.iter().join("+")).collect()
    }

    #[test]
    fn independent_features_give_the_powerset() {
        let abc = features(&[("a", &[]), ("b", &["dep:b"]), ("c", &["other/c"])]);
        assert_eq!(sets(&abc, &["a", "b", "c"]), ["", "a", "b", "c", "a+b", "a+c", "b+c", "a+b+c"]);
    }

    #[test]
    fn no_features_give_the_empty_set() {
        assert_eq!(sets(&features(&[]), &[]), [""]);
    }

    #[test]
    fn sets_that_enable_the_same_are_one() {
        let implied = features(&[("lock_api", &["dep:lock_api"]), ("spin", &["lock_api"])]);
        assert_eq!(sets(&implied, &["lock_api", "spin"]), ["", "lock_api", "lock_api+spin"]);
    }

    #[test]
    fn many_features_give_none_each_alone_and_all() {
        let names: Vec<String> = (0..=POWERSET_LIMIT).map(|n| format!("f{n}")).collect();
        let many: Features = names.iter().map(|name| (name.clone(), Vec::new())).collect();
        let sets = combinations(&many, &names);

        let count = names.len();
        assert_eq!(sets.len(), count + 2);
        assert!(sets[0].is_empty());
        assert_eq!(sets.last().unwrap().len(), count);
        for name in &names {
            assert!(sets.contains(&Set::from([name.clone()])));
        }
    }

    #[test]
    fn excluding_a_feature_excludes_what_enables_it() {
        let graph = features(&[
            ("default", &["spin"]),
            ("spin", &[]),
            ("allocator_api", &["dep:x"]),
            ("fast", &["faster"]),
            ("faster", &["allocator_api"]),
        ]);
        assert_eq!(without(&graph, &[NIGHTLY]), ["spin"]);
        assert_eq!(without(&graph, &["spin", NIGHTLY]), [""; 0]);
        assert_eq!(without(&graph, &[]), ["allocator_api", "fast", "faster", "spin"]);
    }

    #[test]
    fn what_the_default_enables_is_usual() {
        let graph = features(&[
            ("default", &["spin"]),
            ("spin", &["dep:x", "lock"]),
            ("lock", &[]),
            ("std", &[]),
        ]);
        assert_eq!(usual(&graph).iter().join("+"), "default+lock+spin");
        assert!(usual(&features(&[("std", &[])])).is_empty());
    }

    #[test]
    fn features_that_enable_each_other_come_to_an_end() {
        let cycle = features(&[("a", &["b"]), ("b", &["a"])]);
        assert_eq!(sets(&cycle, &["a", "b"]), ["", "a+b"]);
    }

    #[test]
    fn the_argument_is_left_out_for_no_feature() {
        assert!(as_argument(&Set::new()).is_empty());
        assert_eq!(as_argument(&["a".to_owned(), "b".to_owned()]), ["--features", "a,b"]);
    }
}
