//! Bins: free lists by size, and the map that finds one.

mod index;
mod list;
mod map;

pub(crate) use index::BinIndex;
pub(crate) use list::Bins;
