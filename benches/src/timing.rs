//! Time per event of every heap on a script.

use crate::{
    heap::Memory,
    registry::{Entry, NULL},
    replay::{Stop, ample},
    script::Script,
};
use std::time::Duration;

/// The parameters of a timing.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How often every heap runs.
    pub rounds: usize,
    /// How much processor time a single run may take; a heap that takes longer is left out from then on.
    pub limit: Duration,
}

/// One heap's times.
pub struct Timing {
    /// Nanoseconds per event in each round, including the script's own cost.
    pub rounds: Vec<f64>,
    /// The reason if the heap did not complete all rounds.
    pub stop: Option<Stop>,
}

/// The times of all heaps on one script.
pub struct Timings {
    /// The script's own cost.
    pub null: Timing,
    /// In the order in which the heaps were given.
    pub heaps: Vec<Timing>,
}

impl Timings {
    /// A heap's nanoseconds per event without the script's own: the median round of each.
    pub fn median(&self, heap: usize) -> Option<f64> {
        self.net(heap, median)
    }

    /// A heap's nanoseconds per event without the script's own: the fastest round of each.
    pub fn best(&self, heap: usize) -> Option<f64> {
        self.net(heap, |rounds| rounds.iter().copied().min_by(f64::total_cmp))
    }

    fn net(&self, heap: usize, pick: impl Fn(&[f64]) -> Option<f64>) -> Option<f64> {
        let heap = &self.heaps[heap];
        if heap.stop.is_some() {
            return None;
        }
        Some(pick(&heap.rounds)? - pick(&self.null.rounds)?)
    }
}

/// The median of some numbers.
pub fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    Some(if sorted.len() % 2 == 1 { upper } else { (sorted[sorted.len() / 2 - 1] + upper) / 2.0 })
}

/// Times the heaps on a script. The rounds are interleaved, A B C A B C, so that a change of the machine's speed affects
/// all heaps.
pub fn run(script: &Script, heaps: &[&Entry], plan: Plan) -> Timings {
    let mut memory = Memory::new(ample(script));
    let timing = || Timing { rounds: Vec::new(), stop: None };
    let mut timings = Timings { null: timing(), heaps: heaps.iter().map(|_| timing()).collect() };
    for _ in 0..plan.rounds {
        round(NULL, script, &mut memory, plan.limit, &mut timings.null);
        for (heap, timing) in heaps.iter().zip(&mut timings.heaps) {
            round(heap, script, &mut memory, plan.limit, timing);
        }
    }
    timings
}

fn round(heap: &Entry, script: &Script, memory: &mut Memory, limit: Duration, timing: &mut Timing) {
    if timing.stop.is_some() {
        return;
    }
    let events = script.events().len();
    // SAFETY: the memory is borrowed for the call.
    match unsafe { heap.replay(script, events, memory.first(usize::MAX), limit) } {
        Ok(time) => timing.rounds.push(time.as_secs_f64() * 1e9 / events as f64),
        Err(stop) => timing.stop = Some(stop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        random::{Mix, Random},
        registry::find,
    };

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn every_heap_has_its_rounds() {
        let script = Random::new(Mix::Uniform, 64).script(10_000);
        let heaps = [find("talc4").unwrap(), find("talc5").unwrap()];
        let timings = run(&script, &heaps, Plan { rounds: 3, limit: Duration::from_secs(60) });
        for heap in [&timings.null, &timings.heaps[0], &timings.heaps[1]] {
            assert_eq!((heap.rounds.len(), heap.stop), (3, None));
        }
    }

    #[test]
    fn a_heap_that_takes_too_long_is_left_out() {
        let script = Random::new(Mix::Uniform, 64).script(10_000);
        let timings =
            run(&script, &[find("talc5").unwrap()], Plan { rounds: 3, limit: Duration::ZERO });
        assert_eq!(timings.heaps[0].stop, Some(Stop::OutOfTime));
        assert_eq!(timings.median(0), None);
    }
}
