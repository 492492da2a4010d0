//! What the program does with samples: it keeps the last ones of each sensor, and lines about them.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::sampler::Sample;

/// How many lines are kept.
const LINES: usize = 12;

/// How many readings of a sensor are kept.
const READINGS: usize = 60;

#[derive(Default)]
pub struct Log {
    readings: BTreeMap<u8, Vec<u16>>,
    lines: VecDeque<String>,
    pub samples: u32,
}

impl Log {
    /// Keeps what is in a sample.
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

    /// The line about the last sample.
    pub fn last(&self) -> &str {
        self.lines.back().map_or("nothing yet", String::as_str)
    }

    /// All of the log as one text, which is built up while interrupts go on.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            text += line;
            text.push('\n');
        }
        text
    }

    /// How many readings are kept of each sensor.
    pub fn counts(&self) -> Vec<(u8, usize)> {
        self.readings.iter().map(|(sensor, readings)| (*sensor, readings.len())).collect()
    }
}
