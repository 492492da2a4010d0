//! The uses of modules by other modules of a library, from the paths in its code.
//!
//! Code is read as tokens, so that paths in macros count like all others. A use is a type, a trait or a function that a
//! file names. A method call names no module, so it is not a use. Code that is built only for tests is left out.

mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use cargo_metadata::camino::Utf8Path;
use itertools::Itertools;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::order::{Circle, Order};
use tokens::*;

/// A module or an item: the names that lead to it from the library's root.
type Path = Vec<String>;

/// The modules of a library.
#[derive(Default)]
pub struct Modules {
    modules: BTreeMap<Path, Module>,
    /// Macros that the root has, by the modules that define them.
    exported: BTreeMap<String, Path>,
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
                    if exports_macro(attribute) {
                        let name = name_of_macro(&rest[2..]).map(|name| (name, here.to_vec()));
                        self.exported.extend(name);
                    }
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
        if let Some(module) = self.exported.get(name).filter(|_| here.is_empty()) {
            return Target::Module(module.clone());
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

#[cfg(test)]
mod tests;
