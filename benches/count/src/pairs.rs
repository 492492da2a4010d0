//! Workloads for counting instructions: pairs of an allocation and a free. All of them fit in the smallest heap.

use crate::script::{Script, Writer};
use anyhow::{Result, bail};
use fastrand::Rng;
use std::{fmt, str::FromStr};

/// The operations that a workload repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// Allocates a small block and frees it at once.
    Hot,
    /// Frees one of the live blocks and allocates another one, with uniform sizes up to this number.
    Uniform(u32),
    /// Like `Uniform(256)`, with alignments from 16 to 512 bytes.
    Aligned,
    /// Reallocates one of the live blocks. This is one operation, not a pair.
    Realloc,
}

/// The size of the block of `Hot`.
const HOT_SIZE: u32 = 48;

/// The number of live blocks, except for `Hot`.
const LIVE: usize = 24;

/// The largest size of aligned blocks, and of reallocated blocks.
const ALIGNED_SIZE: u32 = 256;
const REALLOC_SIZE: u32 = 1024;

impl Pair {
    /// All pairs that have a budget.
    pub const ALL: [Self; 6] = [
        Self::Hot,
        Self::Uniform(256),
        Self::Uniform(1024),
        Self::Uniform(16384),
        Self::Aligned,
        Self::Realloc,
    ];

    /// Returns the number of events that count as one operation.
    pub fn events(self) -> u32 {
        if self == Self::Realloc { 1 } else { 2 }
    }

    /// Returns the workload: `ops` events or one less, always the same ones.
    pub fn script(self, ops: usize) -> Script {
        let mut rng = Rng::with_seed(7);
        let mut writer = Writer::new(self.to_string());
        let mut blocks = Vec::new();
        if self != Self::Hot {
            blocks.extend((0..LIVE).map(|_| self.alloc(&mut writer, &mut rng)));
        }
        while writer.len() + 1 < ops {
            match self {
                Self::Hot => {
                    let block = self.alloc(&mut writer, &mut rng);
                    writer.free(block);
                }
                Self::Uniform(_) | Self::Aligned => {
                    let block = rng.choice(&mut blocks).expect("blocks are alive");
                    writer.free(*block);
                    *block = self.alloc(&mut writer, &mut rng);
                }
                Self::Realloc => {
                    let block = *rng.choice(&blocks).expect("blocks are alive");
                    writer.realloc(block, rng.u32(1..=REALLOC_SIZE));
                }
            }
        }
        writer.finish()
    }

    fn alloc(self, writer: &mut Writer, rng: &mut Rng) -> u32 {
        let (size, align) = match self {
            Self::Hot => (HOT_SIZE, 8),
            Self::Uniform(most) => (rng.u32(1..=most), 8),
            Self::Aligned => (rng.u32(1..=ALIGNED_SIZE), 16 << rng.u32(..6)),
            Self::Realloc => (rng.u32(1..=REALLOC_SIZE), 8),
        };
        writer.alloc(size, align, false)
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hot => f.write_str("pair-hot"),
            Self::Uniform(most) => write!(f, "pair-{most}"),
            Self::Aligned => f.write_str("pair-aligned"),
            Self::Realloc => f.write_str("pair-realloc"),
        }
    }
}

impl FromStr for Pair {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|pair| pair.to_string() == name) {
            Some(pair) => Ok(pair),
            None => bail!("no pair is called {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Op;

    #[test]
    fn names_are_read_back() {
        for pair in Pair::ALL {
            assert_eq!(pair.to_string().parse::<Pair>().unwrap(), pair);
        }
        assert!("pair-3".parse::<Pair>().is_err());
    }

    #[test]
    fn pairs_free_as_often_as_they_allocate() {
        for pair in Pair::ALL {
            let script = pair.script(10_000);
            assert!(script.events().len() >= 9_999, "{pair}");
            let count = |op| script.events().iter().filter(|event| event.op == op).count();
            assert_eq!(count(Op::Alloc) - count(Op::Free), script.leftovers().len());
            assert_eq!(count(Op::Realloc) > 0, pair == Pair::Realloc);
            assert_eq!(script.events(), pair.script(10_000).events());
        }
    }
}
