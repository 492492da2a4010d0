//! Which modules of a library use which, by the paths in its code.
//!
//! Code is read as tokens, so that paths in macros count as all others do. A method call names no module, so
//! it is not seen: a use is a type, a trait or a function that a file names. Code that is built for tests
//! only is left out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use cargo_metadata::camino::Utf8Path;
use itertools::Itertools;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::order::{Circle, Order};

/// A module or an item: the names that lead to it from the library's root.
type Path = Vec<String>;

/// The modules of a library.
#[derive(Default)]
pub struct Modules {
    modules: BTreeMap<Path, Module>,
}

/// The names in the code of a module.
#[derive(Default)]
struct Module {
    /// Names of items that are defined here.
    items: BTreeSet<String>,
    /// Names that `use` brings here, with the paths that they stand for.
    names: BTreeMap<String, Path>,
    /// Modules of which `use` brings all names here.
    globs: Vec<Path>,
    /// Paths that the code names. The first part of each is `crate`, `self`, `super`, or a name.
    paths: BTreeSet<Path>,
    /// Modules declared here whose code is in another file, with that file if an attribute names it.
    files: Vec<(String, Option<String>)>,
}

/// The end of a path.
enum Target {
    Module(Path),
    Elsewhere,
    Nothing,
}

impl Modules {
    /// Reads the library whose root is the file `root`.
    ///
    /// # Errors
    ///
    /// If a file is missing, or is not made of tokens.
    pub fn read(root: &Utf8Path) -> Result<Self> {
        let mut modules = Self::default();
        let folder = root.parent().context("a file lies in a folder")?;
        modules.read_file(root, folder, Path::new())?;
        Ok(modules)
    }

    /// Reads the code of a module, whose parts have their files in `folder`.
    fn read_file(&mut self, file: &Utf8Path, folder: &Utf8Path, here: Path) -> Result<()> {
        let code = std::fs::read_to_string(file).with_context(|| format!("no file {file}"))?;
        self.add(&here, &code).with_context(|| format!("in {file}"))?;
        for (name, other) in std::mem::take(&mut self.module(&here).files) {
            let part = [here.as_slice(), std::slice::from_ref(&name)].concat();
            let below = folder.join(&name);
            let flat = folder.join(format!("{name}.rs"));
            let deep = below.join("mod.rs");
            self.read_file(if flat.exists() { &flat } else { &deep }, &below, part.clone())?;
            if let Some(other) = other {
                let beside = file.parent().unwrap_or(folder).join(other);
                self.read_file(&beside, &below, part)?;
            }
        }
        Ok(())
    }

    /// Adds code to a module.
    fn add(&mut self, here: &[String], code: &str) -> Result<()> {
        let tokens: TokenStream =
            code.parse().map_err(|error| anyhow::anyhow!("not made of tokens: {error}"))?;
        self.scan(here, tokens, true);
        Ok(())
    }

    fn module(&mut self, path: &[String]) -> &mut Module {
        self.modules.entry(path.to_vec()).or_default()
    }

    /// Notes the names in tokens of a module. `is_top` tells whether items among them are the module's.
    fn scan(&mut self, here: &[String], tokens: TokenStream, is_top: bool) {
        self.module(here);
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let (mut at, mut file, mut is_macro) = (0, None, false);
        while at < tokens.len() {
            let rest = &tokens[at..];
            at += 1;
            if let [TokenTree::Punct(hash), TokenTree::Group(attribute), ..] = rest {
                if hash.as_char() == '#' {
                    at += 1;
                    file = file_of(attribute).or(file);
                    if is_for_tests(attribute) {
                        at += length_of_item(&rest[2..]);
                    }
                    continue;
                }
            }
            match rest {
                [TokenTree::Ident(word), TokenTree::Group(scope), ..]
                    if word == "pub" && is_scope(scope) =>
                {
                    at += 1;
                }
                [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..]
                    if word == "mod" && body.delimiter() == Delimiter::Brace =>
                {
                    at += 2;
                    let part = [here, &[name.to_string()]].concat();
                    self.scan(&part, body.stream(), is_top);
                }
                [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(_), ..]
                    if word == "mod" && is_top =>
                {
                    at += 2;
                    self.module(here).files.push((name.to_string(), file.take()));
                }
                [TokenTree::Ident(word), next, ..] if word == "use" && !is_punct(next, '<') => {
                    let len = rest.iter().position(|token| is_punct(token, ';'));
                    let len = len.unwrap_or(rest.len());
                    self.add_use(here, Path::new(), &rest[1..len], is_top);
                    at += len.saturating_sub(1);
                }
                [TokenTree::Ident(word), ..] if is_start(&word.to_string()) => {
                    let (path, len) = path_at(rest);
                    if path.len() > 1 {
                        self.module(here).paths.insert(path);
                    }
                    at += len - 1;
                }
                [TokenTree::Ident(word), TokenTree::Ident(name), ..]
                    if is_top && defines(&word.to_string()) =>
                {
                    self.module(here).items.insert(name.to_string());
                }
                [TokenTree::Punct(mark), TokenTree::Group(_), ..] if mark.as_char() == '!' => {
                    is_macro = true;
                    continue;
                }
                [TokenTree::Group(group), ..] => {
                    // A macro may define items of the module.
                    let is_top = is_top && is_macro && group.delimiter() == Delimiter::Brace;
                    self.scan(here, group.stream(), is_top);
                }
                _ => {}
            }
            is_macro = false;
        }
    }

    /// Notes the names that a `use` brings: `tokens`, after the path `before`.
    fn add_use(&mut self, here: &[String], before: Path, tokens: &[TokenTree], is_top: bool) {
        let mut path = before;
        let mut alias = None;
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(word) if word == "as" => {
                    alias = tokens.get(at + 1).map(ToString::to_string);
                    at += 1;
                }
                TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    for part in inner.split(|token| is_punct(token, ',')) {
                        if !part.is_empty() {
                            self.add_use(here, path.clone(), part, is_top);
                        }
                    }
                    return;
                }
                TokenTree::Punct(star) if star.as_char() == '*' => {
                    let module = self.module(here);
                    module.paths.insert(path.clone());
                    if is_top {
                        module.globs.push(path);
                    }
                    return;
                }
                _ => {}
            }
            at += 1;
        }
        let Some(name) = alias.or_else(|| path.last().cloned()) else { return };
        let module = self.module(here);
        module.paths.insert(path.clone());
        if is_top {
            module.names.insert(name, path);
        }
    }

    /// Follows a path from the module `here`.
    fn resolve(&self, here: &[String], path: &[String], depth: usize) -> Target {
        let Some((first, rest)) = path.split_first() else {
            return Target::Module(here.to_vec());
        };
        match first.as_str() {
            "crate" => self.walk(&[], rest, depth),
            "self" => self.walk(here, rest, depth),
            "super" => {
                let parent = &here[..here.len().saturating_sub(1)];
                match rest.first() {
                    Some(next) if next == "super" => self.resolve(parent, rest, depth),
                    _ => self.walk(parent, rest, depth),
                }
            }
            _ => match self.walk(here, path, depth) {
                // A crate.
                Target::Nothing => Target::Elsewhere,
                target => target,
            },
        }
    }

    /// Follows names from the module `here`.
    fn walk(&self, here: &[String], names: &[String], depth: usize) -> Target {
        let Some((name, rest)) = names.split_first() else {
            return Target::Module(here.to_vec());
        };
        let child = [here, std::slice::from_ref(name)].concat();
        if self.modules.contains_key(&child) {
            return self.walk(&child, rest, depth);
        }
        let Some(module) = self.modules.get(here).filter(|_| depth < 16) else {
            return Target::Nothing;
        };
        if module.items.contains(name) {
            return Target::Module(here.to_vec());
        }
        if let Some(path) = module.names.get(name).filter(|path| path.as_slice() != names) {
            let path = [path.as_slice(), rest].concat();
            return self.resolve(here, &path, depth + 1);
        }
        let mut target = Target::Nothing;
        for glob in &module.globs {
            let path = [glob.as_slice(), names].concat();
            match self.resolve(here, &path, depth + 1) {
                Target::Nothing => {}
                Target::Elsewhere => target = Target::Elsewhere,
                found => return found,
            }
        }
        target
    }

    /// Which parts of the module `parent` use which, and paths that lead nowhere.
    fn uses(&self) -> (BTreeMap<Path, Uses>, Vec<String>) {
        let mut uses: BTreeMap<Path, Uses> = BTreeMap::new();
        let mut lost = Vec::new();
        for (here, module) in &self.modules {
            for path in &module.paths {
                let target = match self.resolve(here, path, 0) {
                    Target::Module(target) => target,
                    Target::Elsewhere => continue,
                    Target::Nothing => {
                        let (here, path) = (here.join("::"), path.join("::"));
                        lost.push(format!("in `{here}`, `{path}` leads to nothing known"));
                        continue;
                    }
                };
                let common = here.iter().zip(&target).take_while(|(a, b)| a == b).count();
                // One of them is a part of the other.
                let (Some(user), Some(used)) = (here.get(common), target.get(common)) else {
                    continue;
                };
                let uses = uses.entry(here[..common].to_vec()).or_default();
                let example = format!("`{}` in `{}`", path.join("::"), here.join("::"));
                uses.entry((user.clone(), used.clone())).or_insert(example);
            }
        }
        (uses, lost)
    }

    /// The faults of the modules by their order.
    pub fn violations(&self, order: &Order) -> Vec<String> {
        let (uses, mut wrong) = self.uses();
        let package = order.package;
        for (parent, uses) in &uses {
            let parent = parent.join("::");
            let circles: Vec<&Circle> =
                order.circles.iter().filter(|circle| circle.parent == parent).collect();
            wrong.extend(circles_in(uses, &circles).into_iter().map(|circle| {
                format!("{package}: modules{} form a circle: {circle}", of(&parent))
            }));
        }
        let none = Uses::new();
        let uses_of = |parent: &str| {
            let path: Path = parent.split("::").filter(|p| !p.is_empty()).map_into().collect();
            uses.get(&path).unwrap_or(&none)
        };
        for circle in order.circles {
            if !is_circle(circle, uses_of(circle.parent)) {
                let names = circle.modules.join(", ");
                let of = of(circle.parent);
                wrong.push(format!("{package}: the modules {names}{of} form no circle any more"));
            }
        }
        wrong.extend(self.ranks(order, uses_of("")));
        wrong
    }

    /// The faults of the ranks of the library's own modules.
    fn ranks(&self, order: &Order, uses: &Uses) -> Vec<String> {
        let package = order.package;
        let rank = |name: &str| order.modules.iter().position(|module| *module == name);
        let mut wrong = Vec::new();
        let top = self.modules.keys().filter(|path| path.len() == 1).map(|path| path[0].as_str());
        let top: BTreeSet<&str> = top.collect();
        for name in top.iter().filter(|name| rank(name).is_none()) {
            wrong.push(format!("{package}: the module {name} has no rank, see order.rs"));
        }
        for name in order.modules.iter().filter(|name| !top.contains(*name)) {
            wrong.push(format!("{package}: order.rs ranks {name}, which is no module"));
        }
        for ((user, used), example) in uses {
            let circles = order.circles.iter().filter(|circle| circle.parent.is_empty());
            let is_up = rank(user).zip(rank(used)).is_some_and(|(user, used)| user < used);
            if is_up && !is_meant(circles, user, used) {
                wrong.push(format!("{package}: {user} uses {used}, which is above it: {example}"));
            }
        }
        wrong
    }
}

/// Which of some modules next to each other use which, each with an example.
type Uses = BTreeMap<(String, String), String>;

/// Whether one of the circles has both modules.
fn is_meant<'a>(mut circles: impl Iterator<Item = &'a Circle>, user: &str, used: &str) -> bool {
    circles.any(|circle| circle.modules.contains(&user) && circle.modules.contains(&used))
}

/// The circles among modules, those that are meant aside, each with the uses that close it.
fn circles_in(uses: &Uses, meant: &[&Circle]) -> Vec<String> {
    let name = |module: &str| {
        let circle = meant.iter().find(|circle| circle.modules.contains(&module));
        circle.map_or_else(|| module.to_owned(), |circle| circle.modules.join("+"))
    };
    let edges = uses.iter().map(|((user, used), example)| ((name(user), name(used)), example));
    let edges: BTreeMap<(String, String), &String> =
        edges.filter(|((user, used), _)| user != used).collect();
    let found = edges.keys().filter_map(|(user, _)| way_back(user, &edges));
    let found: BTreeSet<Vec<String>> = found.collect();
    let described = found.into_iter().map(|circle| {
        let inner =
            edges.iter().filter(|((user, used), _)| circle.contains(user) && circle.contains(used));
        let examples = inner.map(|(_, example)| example).join(", ");
        format!("{} ({examples})", circle.join(", "))
    });
    described.collect()
}

/// The modules of a shortest circle through `node`, in the order of their names.
fn way_back<T>(node: &str, edges: &BTreeMap<(String, String), T>) -> Option<Vec<String>> {
    let mut ways = vec![vec![node.to_owned()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for (_, used) in edges.keys().filter(|(user, _)| Some(user) == way.last()) {
                if used == node {
                    return Some(way.into_iter().sorted().collect());
                }
                if seen.insert(used) {
                    longer.push([way.as_slice(), std::slice::from_ref(used)].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

/// Whether each module of a circle that is meant leads back to itself.
fn is_circle(circle: &Circle, uses: &Uses) -> bool {
    let is_inner = |user: &str, used: &str| is_meant([circle].into_iter(), user, used);
    let inner = uses.iter().filter(|((user, used), _)| is_inner(user, used));
    let inner: BTreeMap<(String, String), ()> = inner.map(|(edge, _)| (edge.clone(), ())).collect();
    circle.modules.iter().all(|module| way_back(module, &inner).is_some())
}

fn of(parent: &str) -> String {
    if parent.is_empty() { String::new() } else { format!(" of {parent}") }
}

fn is_punct(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// Whether paths start with a word that names a module of this library.
fn is_start(word: &str) -> bool {
    matches!(word, "crate" | "self" | "super")
}

/// Whether a name follows a word that is an item's.
fn defines(word: &str) -> bool {
    matches!(word, "struct" | "enum" | "union" | "trait" | "type" | "fn" | "const" | "static")
}

/// Whether a group after `pub` says where a name is visible.
fn is_scope(group: &Group) -> bool {
    let first = group.stream().into_iter().next();
    let is_word = |word: &str| is_start(word) || word == "in";
    group.delimiter() == Delimiter::Parenthesis
        && first.is_some_and(|first| is_word(&first.to_string()))
}

/// The path that tokens start with, and how many of them it takes.
fn path_at(tokens: &[TokenTree]) -> (Path, usize) {
    let mut path = vec![tokens[0].to_string()];
    let mut len = 1;
    while let [a, b, TokenTree::Ident(name), ..] = &tokens[len..] {
        if !is_punct(a, ':') || !is_punct(b, ':') {
            break;
        }
        path.push(name.to_string());
        len += 3;
    }
    (path, len)
}

/// The file that an attribute names for the code of a module.
fn file_of(attribute: &Group) -> Option<String> {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    let named = tokens.windows(3).find_map(|tokens| match tokens {
        [TokenTree::Ident(word), equals, TokenTree::Literal(file)]
            if word == "path" && is_punct(equals, '=') =>
        {
            Some(file.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    });
    let inner = || {
        tokens.iter().find_map(|token| match token {
            TokenTree::Group(group) => file_of(group),
            _ => None,
        })
    };
    named.or_else(inner)
}

/// Whether an attribute leaves the next item out unless tests are built.
fn is_for_tests(attribute: &Group) -> bool {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(word), TokenTree::Group(condition)] if word == "cfg" => {
            holds_in_tests_only(&condition.stream().into_iter().collect::<Vec<_>>())
        }
        _ => false,
    }
}

/// Whether a condition of `cfg` holds in no build but those of tests.
fn holds_in_tests_only(condition: &[TokenTree]) -> bool {
    let parts = |group: &Group| {
        let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
        let parts = tokens.split(|token| is_punct(token, ',')).filter(|part| !part.is_empty());
        parts.map(holds_in_tests_only).collect::<Vec<bool>>()
    };
    match condition {
        [TokenTree::Ident(word)] => word == "test" || word == "doctest",
        [TokenTree::Ident(word), TokenTree::Group(group)] if word == "all" => {
            parts(group).contains(&true)
        }
        [TokenTree::Ident(word), TokenTree::Group(group)] if word == "any" => {
            !parts(group).contains(&false)
        }
        _ => false,
    }
}

/// How many tokens an item takes.
fn length_of_item(tokens: &[TokenTree]) -> usize {
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_punct(token, ';'),
    };
    tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
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
        let high = ("high", "pub struct High;");
        for code in [
            "use crate::high::High;",
            "use super::high::{self, High};",
            "use crate::{high as other};",
            "use crate::high::*;",
            "fn f() -> usize { crate::high::High::new() }",
            "macro_rules! m { () => { $crate::high::High } }",
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
}
