//! Planted edges and circles are found.

use super::*;

const ORDER: Order = Order { package: "library", modules: &["low", "high"], circles: &[] };

/// The modules of a library, each with its code.
fn modules(codes: &[(&str, &str)]) -> Modules {
    let mut modules = Modules::default();
    modules.add(&[], "mod low; mod high;").unwrap();
    for (path, code) in codes {
        let path: Path = path.split("::").map_into().collect();
        modules.add(&path, code).unwrap();
    }
    modules
}

/// The faults, as one text.
fn wrong(codes: &[(&str, &str)]) -> String {
    modules(codes).violations(&ORDER).join("\n")
}

const LOW: (&str, &str) = ("low", "pub struct Low; pub fn g() {}");

#[test]
fn modules_may_use_those_below_and_their_own_parts() {
    let high = (
        "high",
        "mod part; pub struct High; use crate::low::Low; use part::Part; fn f() { super::low::g() }",
    );
    let part = ("high::part", "use super::High; use crate::low::Low;");
    assert_eq!(wrong(&[LOW, high, part]), "");
}

#[test]
fn a_use_of_what_is_above_is_found() {
    let high = ("high", "pub struct High; #[macro_export] macro_rules! exported { () => {} }");
    for code in [
        "use crate::high::High;",
        "use super::high::{self, High};",
        "use crate::{high as other};",
        "use crate::high::*;",
        "fn f() -> usize { crate::high::High::new() }",
        "macro_rules! m { () => { $crate::high::High } }",
        "crate::exported! {}",
        "fn f() { debug_assert!(crate::high::High::is_right()); }",
        "mod inner { use super::super::high::High; }",
        "#[cfg(any(test, unix))] use crate::high::High;",
    ] {
        let wrong = wrong(&[("low", code), high]);
        assert!(wrong.starts_with("library: low uses high"), "{code}: {wrong}");
    }
}

#[test]
fn names_are_followed_to_where_they_are_defined() {
    let high = ("high", "mod part; pub use part::Part; bits! { pub struct Flags; }");
    let part = ("high::part", "pub struct Part;");
    for name in ["high::Part", "Part", "Flags"] {
        let code = format!("use crate::{name};");
        let mut modules = modules(&[("low", &code), high, part]);
        modules.add(&[], "pub use high::Part; pub use high::*; pub use elsewhere::*;").unwrap();
        let wrong = modules.violations(&ORDER).join("\n");
        assert!(wrong.starts_with("library: low uses high"), "{name}: {wrong}");
    }
}

#[test]
fn what_is_for_tests_or_in_texts_does_not_count() {
    let low = r#"
        /// See [`High`](crate::high::High).
        pub struct Low;
        // crate::high::High
        const TEXT: &str = "crate::high::High";
        pub(in crate::high) fn f() {}
        #[cfg(test)]
        mod tests { use crate::high::High; }
        #[cfg(all(test, unix))]
        use crate::high::High;
    "#;
    assert_eq!(wrong(&[("low", low), ("high", "pub struct High;")]), "");
}

#[test]
fn a_circle_is_found_unless_it_is_meant() {
    let parts = [
        LOW,
        ("high", "mod a; mod b; mod c;"),
        ("high::a", "use super::b::B; pub struct A;"),
        ("high::b", "use super::c::C; pub struct B;"),
        ("high::c", "use super::a::A; pub struct C;"),
    ];
    let found = wrong(&parts);
    assert!(found.starts_with("library: modules of high form a circle: a, b, c ("), "{found}");
    let open = [parts[0], parts[1], parts[2], parts[3], ("high::c", "pub struct C;")];
    assert_eq!(wrong(&open), "");

    let circles = &[Circle { parent: "high", modules: &["a", "b", "c"], why: "a test" }];
    let meant = Order { circles, ..ORDER };
    assert!(modules(&parts).violations(&meant).is_empty());
    let stale = modules(&open).violations(&meant).join("\n");
    assert!(stale.ends_with("a, b, c of high form no circle any more"), "{stale}");
}

#[test]
fn a_circle_of_ranked_modules_is_found_unless_it_is_meant() {
    let low = ("low", "use crate::high::High; pub struct Low;");
    let high = ("high", "use crate::low::Low; pub struct High;");
    let found = wrong(&[low, high]);
    assert!(found.contains("modules form a circle: high, low"), "{found}");
    assert!(found.contains("low uses high"), "{found}");

    let circles = &[Circle { parent: "", modules: &["low", "high"], why: "a test" }];
    assert!(modules(&[low, high]).violations(&Order { circles, ..ORDER }).is_empty());
}

#[test]
fn modules_and_ranks_are_the_same() {
    let missing = wrong(&[LOW]);
    assert_eq!(missing, "library: order.rs ranks high, which is no module");
    let new = wrong(&[LOW, ("high", ""), ("new", "")]);
    assert_eq!(new, "library: the module new has no rank, see order.rs");
}

#[test]
fn a_path_to_nothing_is_reported() {
    let found = wrong(&[LOW, ("high", "use crate::gone::Gone;")]);
    assert_eq!(found, "in `high`, `crate::gone::Gone` leads to nothing known");
}
