//! The outcomes of many faults.

use super::outcome::{Outcome, Verdict};

/// Counts of outcomes.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Planted faults.
    pub planted: usize,
    /// Faults reported at once.
    pub at_once: usize,
    /// The number of calls until the report, for faults reported later.
    pub later: Vec<usize>,
    /// Faults reported after something had been corrupted.
    pub late: usize,
    /// Faults without an effect.
    pub harmless: usize,
    /// Faults after which memory was lost.
    pub lost: usize,
    /// Faults after which the heap did not verify, although the program had noticed nothing.
    pub latent: usize,
    /// Faults that silently corrupted something of the program's.
    pub missed: usize,
    /// Faults that terminated the process.
    pub crashed: usize,
}

impl Row {
    /// Returns the number of reported faults.
    #[must_use]
    pub fn caught(&self) -> usize {
        self.at_once + self.later.len()
    }

    /// Returns the median and the largest number of calls until a later report.
    #[must_use]
    pub fn delays(&self) -> Option<(usize, usize)> {
        let mut later = self.later.clone();
        later.sort_unstable();
        Some((*later.get(later.len() / 2)?, *later.last()?))
    }

    fn add(&mut self, verdict: Verdict) {
        self.planted += usize::from(verdict != Verdict::Skipped);
        match verdict {
            Verdict::Caught { after, is_late } => {
                if after == 0 {
                    self.at_once += 1;
                } else {
                    self.later.push(after);
                }
                self.late += usize::from(is_late);
            }
            Verdict::Harmless => self.harmless += 1,
            Verdict::Lost => self.lost += 1,
            Verdict::Latent => self.latent += 1,
            Verdict::Missed => self.missed += 1,
            Verdict::Crashed => self.crashed += 1,
            Verdict::Skipped => {}
        }
    }
}

/// The outcomes of one class on one level.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// All outcomes.
    pub all: Row,
    /// Outcomes by [`SIZES`](Self::SIZES).
    pub by_size: [Row; 6],
    /// Outcomes by [`DISTANCES`](Self::DISTANCES).
    pub by_distance: [Row; 5],
    /// Programs that gave no opportunity.
    pub skipped: usize,
    /// Some of the faults that were neither caught in time nor harmless, by seed.
    pub examples: Vec<(u64, Outcome)>,
}

impl Tally {
    /// The largest size of each row of [`by_size`](Self::by_size).
    pub const SIZES: [usize; 6] = [1, 7, 8, 16, 32, usize::MAX];

    /// The largest distance of each row of [`by_distance`](Self::by_distance).
    pub const DISTANCES: [usize; 5] = [0, 7, 31, 127, usize::MAX];

    /// The number of examples to keep.
    const EXAMPLES: usize = 100;

    /// Adds the outcome of the fault with this seed.
    pub fn add(&mut self, seed: u64, outcome: Outcome) {
        if outcome.verdict == Verdict::Skipped {
            self.skipped += 1;
            return;
        }
        self.all.add(outcome.verdict);
        self.by_size[row_of(&Self::SIZES, outcome.size)].add(outcome.verdict);
        self.by_distance[row_of(&Self::DISTANCES, outcome.distance)].add(outcome.verdict);
        let is_good =
            matches!(outcome.verdict, Verdict::Caught { is_late: false, .. } | Verdict::Harmless);
        if !is_good && self.examples.len() < Self::EXAMPLES {
            self.examples.push((seed, outcome));
        }
    }
}

fn row_of(bounds: &[usize], value: usize) -> usize {
    bounds.iter().position(|most| value <= *most).expect("the last row has no bound")
}
