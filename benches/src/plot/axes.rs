//! The axes.

use plotters::coord::{
    ranged1d::{DefaultFormatting, KeyPointHint, Ranged},
    types::RangedCoordf64,
};
use std::ops::Range;

/// The horizontal axis: so many rows, a label below each.
pub struct Rows(pub usize);

impl Ranged for Rows {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let part = (value + 0.5) / self.0 as f64;
        limit.0 + (part * f64::from(limit.1 - limit.0)) as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        (0..self.0).map(|row| row as f64).collect()
    }

    fn range(&self) -> Range<f64> {
        -0.5..self.0 as f64 - 0.5
    }
}

/// The vertical axis: numbers, or their decimal logarithms.
pub struct Heights {
    pub range: Range<f64>,
    pub logarithmic: bool,
}

impl Heights {
    fn linear(&self) -> RangedCoordf64 {
        self.range.clone().into()
    }

    /// The logarithms of powers of ten, and of twice and five times as much if there is room.
    fn powers(&self) -> Vec<f64> {
        /// More labels than this are too many.
        const MAX: usize = 12;
        let exponents = self.range.start.floor() as i32..=self.range.end.ceil() as i32;
        let powers = |factors: &[f64]| -> Vec<f64> {
            let all = exponents.clone().flat_map(|exponent| {
                factors.iter().map(move |factor| f64::from(exponent) + factor.log10())
            });
            all.filter(|height| self.range.contains(height)).collect()
        };
        let all = powers(&[1.0, 2.0, 5.0]);
        if all.len() > MAX { powers(&[1.0]) } else { all }
    }
}

impl Ranged for Heights {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.linear().map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let powers = if self.logarithmic { self.powers() } else { Vec::new() };
        if powers.len() > 1 { powers } else { self.linear().key_points(hint) }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(range: Range<f64>) -> Vec<f64> {
        let logarithms = range.start.log10()..range.end.log10();
        let heights = Heights { range: logarithms, logarithmic: true };
        heights.powers().iter().map(|height| (10_f64.powf(*height) * 1e6).round() / 1e6).collect()
    }

    #[test]
    fn labels_of_logarithms_are_short_numbers() {
        assert_eq!(labels(0.8..60.0), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
        assert_eq!(labels(0.015..0.3), [0.02, 0.05, 0.1, 0.2]);
        assert_eq!(labels(9.0..2e6), [10.0, 100.0, 1000.0, 10_000.0, 100_000.0, 1e6]);
    }
}
