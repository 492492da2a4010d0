//! The main program's log: the latest readings of each sensor, and the latest lines about samples.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::sampler::Sample;

/// The number of lines to keep.
const LINES: usize = 12;

/// The number of readings to keep for each sensor.
const READINGS: usize = 60;

#[derive(Default)]
pub struct Log {
    readings: BTreeMap<u8, Vec<u16>>,
    lines: VecDeque<String>,
    pub samples: u32,
}

impl Log {
    /// Adds a sample.
    pub fn add(&mut self, sample: &Sample) {
        sample.check();
        let readings = self.readings.entry(sample.sensor).or_default();
        readings.extend_from_slice(&sample.readings);
        let excess = readings.len().saturating_sub(READINGS);
        readings.drain(..excess);
        let (least, most) = (readings.iter().min(), readings.iter().max());
        let line = format!(
            "sensor {}: {} to {}, of {} readings",
            sample.sensor,
            least.expect("a sample has a reading"),
            most.expect("a sample has a reading"),
            readings.len()
        );
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
        self.samples += 1;
    }

    /// Returns the line about the latest sample.
    pub fn last(&self) -> &str {
        self.lines.back().map_or("nothing yet", String::as_str)
    }

    /// Returns all lines as one string. Interrupts occur while it is built.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            text += line;
            text.push('\n');
        }
        text
    }

    /// Returns the number of readings kept for each sensor.
    pub fn counts(&self) -> Vec<(u8, usize)> {
        self.readings.iter().map(|(sensor, readings)| (*sensor, readings.len())).collect()
    }
}
