//! Random sizes.

use anyhow::{Context, Result};
use fastrand::Rng;
use std::{fmt, str::FromStr};

/// The distribution of sizes, in bytes. Both bounds are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// Each as likely as any other.
    Uniform(usize, usize),
    /// The logarithm is uniform, so most blocks are small.
    Log(usize, usize),
}

impl Sizes {
    /// The smallest logarithmic size, because programs seldom request less.
    const MIN: usize = 8;

    /// Chooses a size.
    #[inline]
    pub fn choose(self, rng: &mut Rng) -> usize {
        match self {
            Self::Uniform(least, most) => rng.usize(least..=most),
            Self::Log(least, most) => {
                let ratio = most as f64 / least as f64;
                ((ratio.ln() * rng.f64()).exp() * least as f64).round() as usize
            }
        }
    }
}

/// The name in tables and on the command line: `256` for uniform sizes up to 256 bytes, `log-32768` for logarithmic
/// ones.
impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform(_, most) => write!(f, "{most}"),
            Self::Log(_, most) => write!(f, "log-{most}"),
        }
    }
}

impl FromStr for Sizes {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let number = |number: &str, least| {
            let most = number.parse().ok().filter(|&most: &usize| most >= least);
            most.with_context(|| format!("no largest size: {name}"))
        };
        match name.strip_prefix("log-") {
            Some(most) => Ok(Self::Log(Self::MIN, number(most, Self::MIN)?)),
            None => Ok(Self::Uniform(1, number(name, 1)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for sizes in [Sizes::Uniform(1, 256), Sizes::Log(8, 32_768)] {
            assert_eq!(sizes.to_string().parse::<Sizes>().unwrap(), sizes);
        }
        for name in ["", "0", "log-7", "log-", "-5", "lin-9"] {
            assert!(name.parse::<Sizes>().is_err(), "{name}");
        }
    }

    #[test]
    fn sizes_lie_within_their_ends_and_logarithmic_ones_are_small() {
        let mut rng = Rng::with_seed(1);
        let mut mean = |sizes: Sizes| {
            let chosen: Vec<_> = (0..10_000).map(|_| sizes.choose(&mut rng)).collect();
            assert!(chosen.iter().all(|size| (8..=32_768).contains(size)));
            chosen.iter().sum::<usize>() / chosen.len()
        };
        assert!(mean(Sizes::Uniform(8, 32_768)) > 15_000);
        assert!(mean(Sizes::Log(8, 32_768)) < 5000);
    }
}
