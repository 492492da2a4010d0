//! The same workload repeated in one process: cold, warm, and aged.

use super::resident::Resident;
use crate::{
    heap::Memory,
    heaps::{self, Dl, Hosted},
    replay::{self, Pages, Table, ample},
    script::Script,
    timing::median,
};
use anyhow::Result;
use std::time::{Duration, Instant};

/// One round of a workload. Between rounds, everything is freed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// Nanoseconds per event by the clock.
    pub wall: f64,
    /// Nanoseconds per event of processor time.
    pub processor: f64,
    /// The peak of resident bytes since before the first round.
    pub peak: f64,
}

impl Round {
    /// The record for a child's answer.
    pub const fn record(&self) -> [f64; 3] {
        [self.wall, self.processor, self.peak]
    }

    /// Makes a round from a child's answer.
    pub const fn from_record([wall, processor, peak]: [f64; 3]) -> Self {
        Self { wall, processor, peak }
    }
}

/// The rounds of each process of an allocator.
pub type Processes = Vec<Vec<Round>>;

/// The median over an allocator's processes.
pub fn middle(processes: &Processes, of: impl Fn(&[Round]) -> Option<f64>) -> Option<f64> {
    let numbers: Option<Vec<_>> = processes.iter().map(|rounds| of(rounds)).collect();
    median(&numbers?)
}

/// Nanoseconds per event of an allocator, without the time of the replay itself, `null`.
pub fn net(processes: &Processes, null: &Processes, age: Age) -> Option<f64> {
    // The replay itself does not age. If a round takes longer, the machine was slower.
    let own = middle(null, |rounds| Age::Aged.of(rounds))?;
    Some(middle(processes, |rounds| age.of(rounds))? - own)
}

/// Bytes resident at the peak of the first round.
pub fn first_peak(processes: &Processes) -> Option<f64> {
    middle(processes, |rounds| rounds.first().map(|round| round.peak))
}

/// The rounds of a process that a table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// The first round.
    Cold,
    /// The second round.
    Warm,
    /// The median of all rounds but the first.
    Aged,
    /// The worst of all rounds but the first.
    Worst,
}

impl Age {
    /// All, in the order of the tables.
    pub const ALL: [Self; 4] = [Self::Cold, Self::Warm, Self::Aged, Self::Worst];

    /// The name in the tables' titles.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold, the first round in a process",
            Self::Warm => "warm, the second round",
            Self::Aged => "aged, the median of the later rounds",
            Self::Worst => "the worst of the later rounds",
        }
    }

    /// Nanoseconds of processor time per event; `None` if there are not enough rounds.
    pub fn of(self, rounds: &[Round]) -> Option<f64> {
        let later = rounds.get(1..)?.iter().map(|round| round.processor);
        match self {
            Self::Cold => rounds.first().map(|round| round.processor),
            Self::Warm => later.take(1).next(),
            Self::Aged => median(&later.collect::<Vec<_>>()),
            Self::Worst => later.max_by(f64::total_cmp),
        }
    }
}

/// Replays a script `number` times. It writes to all pages of blocks, because it also measures memory.
///
/// # Errors
///
/// If there is no memory, or resident memory cannot be measured.
pub fn age<H: Hosted>(script: &Script, number: usize) -> Result<Vec<Round>> {
    let mut heap = H::empty();
    let mut table = Table::new(script);
    let mut rounds = Vec::with_capacity(number);
    let resident = Resident::begin()?;
    for _ in 0..number {
        let events = script.events().len();
        let begin = Instant::now();
        // SAFETY: the heap has no blocks, and the table was made for this script.
        let processor = unsafe {
            replay::replay::<_, Pages>(&mut heap, script, events, &mut table, Duration::MAX)?
        };
        rounds.push(round(script, begin.elapsed(), processor, resident.peak()?));
        // SAFETY: the whole script has been replayed.
        unsafe { replay::free_leftovers(&mut heap, script, &table) };
    }
    Ok(rounds)
}

/// Measures the replay itself, with a heap that only hands out blocks that another heap has chosen.
///
/// # Errors
///
/// If there is no memory.
pub fn age_null(script: &Script, number: usize) -> Result<Vec<Round>> {
    let mut memory = Memory::new(ample(script));
    let mut null = || {
        // SAFETY: the memory is borrowed for the call.
        let time = unsafe {
            heaps::replay_on_null::<Dl, Pages>(
                script,
                script.events().len(),
                memory.first(usize::MAX),
                Duration::MAX,
            )?
        };
        Ok(round(script, time, time, 0))
    };
    (0..number).map(|_| null()).collect()
}

fn round(script: &Script, wall: Duration, processor: Duration, peak: u64) -> Round {
    let [wall, processor] =
        [wall, processor].map(|time| time.as_secs_f64() * 1e9 / script.events().len() as f64);
    Round { wall, processor, peak: peak as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        heaps::System,
        random::{Mix, Random},
    };

    #[test]
    fn ages_are_told_of_rounds() {
        let round = |processor| Round { wall: 0.0, processor, peak: 0.0 };
        let rounds = [9.0, 4.0, 2.0, 7.0, 3.0, 1.0].map(round);
        assert_eq!(Age::ALL.map(|age| age.of(&rounds)), [9.0, 4.0, 3.0, 7.0].map(Some));
        assert_eq!(Age::ALL.map(|age| age.of(&rounds[..1])), [Some(9.0), None, None, None]);
        assert_eq!(Age::ALL.map(|age| age.of(&[])), [None; 4]);
    }

    #[test]
    fn every_round_is_measured() {
        let script = Random::new(Mix::Actions, 1000).script(20_000);
        for rounds in [age::<System>(&script, 3).unwrap(), age_null(&script, 3).unwrap()] {
            assert_eq!(rounds.len(), 3);
            assert!(rounds.iter().all(|round| round.processor > 0.0));
            assert!(rounds.is_sorted_by(|a, b| a.peak <= b.peak));
            let round = rounds[1];
            assert_eq!(Round::from_record(round.record()), round);
        }
    }
}
