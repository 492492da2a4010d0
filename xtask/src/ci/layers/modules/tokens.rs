//! Names and items among the tokens of a file.

use proc_macro2::{Delimiter, Group, TokenTree};

use super::Path;

pub(super) fn is_punct(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// Whether paths start with a word that names a module of this library.
pub(super) fn is_start(word: &str) -> bool {
    matches!(word, "crate" | "self" | "super")
}

/// Whether a name follows a word that is an item's.
pub(super) fn defines(word: &str) -> bool {
    matches!(word, "struct" | "enum" | "union" | "trait" | "type" | "fn" | "const" | "static")
}

/// Whether a group after `pub` says where a name is visible.
pub(super) fn is_scope(group: &Group) -> bool {
    let first = group.stream().into_iter().next();
    let is_word = |word: &str| is_start(word) || word == "in";
    group.delimiter() == Delimiter::Parenthesis
        && first.is_some_and(|first| is_word(&first.to_string()))
}

/// The path that tokens start with, and how many of them it takes.
pub(super) fn path_at(tokens: &[TokenTree]) -> (Path, usize) {
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
pub(super) fn file_of(attribute: &Group) -> Option<String> {
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

/// Whether an attribute makes the root have the next macro.
pub(super) fn exports_macro(attribute: &Group) -> bool {
    let first = attribute.stream().into_iter().next();
    first.is_some_and(|first| first.to_string() == "macro_export")
}

/// The name of the macro that tokens define.
pub(super) fn name_of_macro(tokens: &[TokenTree]) -> Option<String> {
    match tokens {
        [TokenTree::Ident(word), mark, TokenTree::Ident(name), ..]
            if word == "macro_rules" && is_punct(mark, '!') =>
        {
            Some(name.to_string())
        }
        _ => None,
    }
}

/// Whether an attribute leaves the next item out unless tests are built.
pub(super) fn is_for_tests(attribute: &Group) -> bool {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(word), TokenTree::Group(condition)] if word == "cfg" => {
            holds_in_tests_only(&condition.stream().into_iter().collect::<Vec<_>>())
        }
        _ => false,
    }
}

/// Whether a condition of `cfg` holds in no build but those of tests.
pub(super) fn holds_in_tests_only(condition: &[TokenTree]) -> bool {
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
pub(super) fn length_of_item(tokens: &[TokenTree]) -> usize {
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_punct(token, ';'),
    };
    tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1)
}
