//! The outcome of one fault.

use std::fmt;

/// The outcome of a planted fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The reaction of the heap.
    pub verdict: Verdict,
    /// The number of bytes that the fault wrote, or zero.
    pub size: usize,
    /// The number of calls of the heap between the free and the fault, if there was a free.
    pub distance: usize,
    /// A human-readable description of what was reported or found.
    pub message: String,
}

/// The reaction of a heap to a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The heap reported the fault, or refused the call.
    Caught {
        /// The number of calls between the fault and the report. It is 0 if the wrong call itself was reported.
        after: usize,
        /// Whether something had already been corrupted.
        is_late: bool,
    },
    /// Nothing was wrong at the end.
    Harmless,
    /// The program noticed nothing, but some of the heap's memory was lost at the end.
    Lost,
    /// The program noticed nothing, but the heap did not verify at the end.
    Latent,
    /// Something of the program's was corrupted, and nothing was reported.
    Missed,
    /// The process died, or the heap panicked or looped forever.
    Crashed,
    /// The program gave no opportunity for the fault.
    Skipped,
}

impl Outcome {
    /// Creates an outcome without a message.
    #[must_use]
    pub fn new(verdict: Verdict) -> Self {
        Self { verdict, size: 0, distance: 0, message: String::new() }
    }

    /// Creates an outcome with a message.
    #[must_use]
    pub fn with_message(verdict: Verdict, message: impl fmt::Display) -> Self {
        Self { message: message.to_string().replace('\n', " "), ..Self::new(verdict) }
    }

    /// Returns whether memory outside of the heap may be damaged.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        match self.verdict {
            Verdict::Caught { is_late, .. } => is_late,
            Verdict::Harmless | Verdict::Lost | Verdict::Latent | Verdict::Skipped => false,
            Verdict::Missed | Verdict::Crashed => true,
        }
    }

    /// Parses the output of `Display`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(6, ' ');
        let verdict = fields.next()?;
        let mut number = || -> Option<usize> { fields.next()?.parse().ok() };
        let (after, is_late) = (number()?, number()?);
        let (size, distance) = (number()?, number()?);
        let verdict = match verdict {
            "caught" => Verdict::Caught { after, is_late: is_late != 0 },
            "harmless" => Verdict::Harmless,
            "lost" => Verdict::Lost,
            "latent" => Verdict::Latent,
            "missed" => Verdict::Missed,
            "crashed" => Verdict::Crashed,
            "skipped" => Verdict::Skipped,
            _ => return None,
        };
        Some(Self { verdict, size, distance, message: fields.next()?.into() })
    }
}

/// A line that [`Outcome::parse`] can read.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, after, is_late) = match self.verdict {
            Verdict::Caught { after, is_late } => ("caught", after, is_late),
            Verdict::Harmless => ("harmless", 0, false),
            Verdict::Lost => ("lost", 0, false),
            Verdict::Latent => ("latent", 0, false),
            Verdict::Missed => ("missed", 0, false),
            Verdict::Crashed => ("crashed", 0, false),
            Verdict::Skipped => ("skipped", 0, false),
        };
        let (late, size, distance) = (u8::from(is_late), self.size, self.distance);
        write!(f, "{name} {after} {late} {size} {distance} {}", self.message)
    }
}
