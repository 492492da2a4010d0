//! Random workloads: random allocations and frees with a steady number of live blocks.

use crate::script::{Script, Writer};
use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use std::{fmt, str::FromStr};

/// The distribution of sizes, alignments and operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// Allocations and frees; sizes uniform in 1..=max; alignment 8.
    Uniform,
    /// Allocations and frees; the logarithm of the size is uniform, so most blocks are small; alignment 8.
    Log,
    /// The random actions of talloc 2's page: one action in three is a reallocation to a new random size, and
    /// alignments from 8 on, each the rarer the larger.
    Actions,
}

/// A random workload, written as `uniform-1024`, `log-64`, `actions-16384`: the mix and the largest size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Random {
    /// The distribution of sizes, alignments and operations.
    pub mix: Mix,
    /// The largest size in bytes.
    pub max_size: u32,
    /// The average number of live blocks.
    pub live: u32,
}

/// The default number of live blocks.
pub const LIVE: u32 = 3000;

/// The largest sizes that the tables show.
pub const MAX_SIZES: [u32; 5] = [64, 256, 1024, 4096, 16384];

impl Random {
    /// The workload of this mix with the usual number of blocks.
    pub fn new(mix: Mix, max_size: u32) -> Self {
        Self { mix, max_size, live: LIVE }
    }

    /// Generates the workload: `ops` events, always the same ones. The first ones build up the live blocks.
    ///
    /// # Panics
    /// If the largest size or the number of live blocks is 0.
    pub fn script(&self, ops: usize) -> Script {
        assert!(self.max_size > 0 && self.live > 0);
        let mut rng = Rng::with_seed(u64::from(self.max_size));
        let mut writer = Writer::new(self.to_string());
        let mut blocks = Vec::new();
        while writer.len() < ops.min(self.live as usize) {
            blocks.push(self.alloc(&mut writer, &mut rng));
        }
        while writer.len() < ops {
            if self.mix == Mix::Actions && rng.u32(..3) == 0 && !blocks.is_empty() {
                writer.realloc(blocks[rng.usize(..blocks.len())], self.size(&mut rng));
            // The more blocks there are, the likelier is a free. Their number stays near `live`, but the next operation
            // is unpredictable.
            } else if rng.usize(..2 * self.live as usize) < blocks.len() {
                writer.free(blocks.swap_remove(rng.usize(..blocks.len())));
            } else {
                blocks.push(self.alloc(&mut writer, &mut rng));
            }
        }
        writer.finish()
    }

    fn alloc(&self, writer: &mut Writer, rng: &mut Rng) -> u32 {
        let align = match self.mix {
            Mix::Uniform | Mix::Log => 8,
            Mix::Actions => 8 << (rng.u16(..).trailing_zeros() / 2),
        };
        writer.alloc(self.size(rng), align, false)
    }

    fn size(&self, rng: &mut Rng) -> u32 {
        match self.mix {
            Mix::Uniform | Mix::Actions => rng.u32(1..=self.max_size),
            Mix::Log => (f64::from(self.max_size).ln() * rng.f64()).exp().round() as u32,
        }
    }
}

impl Mix {
    /// All mixes, in the order of the tables.
    pub const ALL: [Self; 3] = [Self::Uniform, Self::Log, Self::Actions];

    fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Log => "log",
            Self::Actions => "actions",
        }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mix {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let Some(mix) = Self::ALL.into_iter().find(|mix| mix.name() == name) else {
            bail!("no mix is called {name}: there are {}", Self::ALL.map(Self::name).join(", "))
        };
        Ok(mix)
    }
}

impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.mix, self.max_size)
    }
}

impl FromStr for Random {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let (mix, max_size) =
            name.rsplit_once('-').context("expected a mix and a size, as in uniform-1024")?;
        let workload = Self::new(mix.parse()?, max_size.parse()?);
        ensure!(workload.max_size > 0, "the largest size is 0");
        Ok(workload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Op;

    #[test]
    fn scripts_are_repeatable_and_as_long_as_asked() {
        for mix in Mix::ALL {
            let workload = Random::new(mix, 1024);
            let script = workload.script(20_000);
            assert_eq!(script.events().len(), 20_000);
            assert_eq!(script.events(), workload.script(20_000).events());
            assert!(script.events().iter().all(|event| (1..=1024).contains(&event.size)));
            assert_eq!(
                script.events().iter().any(|event| event.op == Op::Realloc),
                mix == Mix::Actions
            );
            assert_eq!(workload.script(10).events(), &script.events()[..10]);
        }
    }

    #[test]
    fn the_number_of_live_blocks_is_steady() {
        let script = Random::new(Mix::Uniform, 64).script(100_000);
        let live = script.leftovers().len() as u32;
        assert!((LIVE * 9 / 10..LIVE * 11 / 10).contains(&live), "{live}");
    }

    #[test]
    fn names_are_read_back() {
        for mix in Mix::ALL {
            let workload = Random::new(mix, 256);
            assert_eq!(workload.to_string().parse::<Random>().unwrap(), workload);
        }
        for wrong in ["uniform", "uniform-", "uniform-0", "even-64", ""] {
            assert!(wrong.parse::<Random>().is_err(), "{wrong}");
        }
    }
}
