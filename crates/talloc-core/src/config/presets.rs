//! The configurations that have names.

use super::Config;
use crate::binning::{FewBins, FewestBins, FineBins};
use crate::checks::Unchecked;
use crate::quick::{NoQuickLists, QuickLists};

/// The default: the densest heap, with quick lists for blocks of up to 1 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Compact;

/// For hard real-time systems: the worst case of each operation is bounded, and small.
///
/// Like [`Compact`], but without quick lists, without a search before a request fails, and with
/// all boundary bits cleared when memory is claimed. `cargo xtask bounds` measures the worst case
/// in instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RealTime;

/// For microcontrollers: a small control structure, blocks of 8 bytes or more, arenas of at most 509 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Micro;

/// [`OneArena<Micro>`](crate::OneArena) with half as many bins: the least code, about 2 KiB on a Cortex-M3.
///
/// `cargo xtask size thumb` measures it. Compile with an `opt-level` of `z`: see
/// [Size of the code](crate#size-of-the-code).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tiny;

macro_rules! presets {
    ($($name:ident: $index:ty, $bins:ty, $quick:ty, $last_resort:expr, $clear:expr, $single:expr;)*) => {$(
        impl Config for $name {
            type Index = $index;
            type Bins = $bins;
            type Quick = $quick;
            const LAST_RESORT: usize = $last_resort;
            const CLEAR_AT_CLAIM: bool = $clear;
            const SINGLE_ARENA: bool = $single;
            type Checks = Unchecked;
        }
    )*};
}

// The documentation of `Config` has this table, too, and a test compares them.
presets! {
    //        Index, Bins,       Quick,                     LAST_RESORT, CLEAR_AT_CLAIM, SINGLE_ARENA
    Compact:  u32,   FineBins,   QuickLists<129, { 1 << 20 }>,       32, false,          false;
    RealTime: u32,   FineBins,   NoQuickLists,                        0, true,           false;
    Micro:    u16,   FewBins,    NoQuickLists,                       64, true,           false;
    Tiny:     u16,   FewestBins, NoQuickLists,                       64, true,           true;
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    /// A cell of a table in Markdown, as code: the text of a link, without quotes.
    fn code(cell: &str) -> &str {
        let text = cell.trim().trim_start_matches('[');
        text.split("](").next().unwrap().trim_matches(['`', ']'])
    }

    #[test]
    fn the_documented_presets_are_those_of_the_code() {
        let documentation = include_str!("mod.rs");
        let code_lines = include_str!("presets.rs");
        for name in ["Compact", "RealTime", "Micro", "Tiny"] {
            let has = |line: &&str| {
                line.contains("| [`") && code(line.split('|').nth(1).unwrap()) == name
            };
            let row = documentation.lines().find(has).unwrap();
            let cells: Vec<_> =
                row.split('|').skip(2).map(code).filter(|cell| !cell.is_empty()).collect();
            let start = ["    ", name, ": "].concat();
            let line = code_lines.lines().find(|line| line.starts_with(&start)).unwrap();
            let dense =
                |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace()).collect() };
            assert_eq!(
                dense(&cells.join(",")),
                dense(line.split_once(':').unwrap().1).trim_end_matches(';')
            );
        }
    }
}
