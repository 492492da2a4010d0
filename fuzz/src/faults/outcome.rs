//! What came of one fault.

use std::fmt;

/// What came of a fault that was planted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What the heap did.
    pub verdict: Verdict,
    /// Bytes that the fault wrote, if it did.
    pub size: usize,
    /// Calls of the heap between the free and the fault, if there was a free.
    pub distance: usize,
    /// What was reported or found, for people.
    pub message: String,
}

/// What the heap did about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It reported the fault, or refused the call, after so many further calls.
    Caught {
        /// Calls after the fault, 0 if the wrong call itself was reported.
        after: usize,
        /// Whether something had been corrupted by then.
        is_late: bool,
    },
    /// Nothing was wrong at the end.
    Harmless,
    /// The program noticed nothing, but some of the heap's memory was lost at the end.
    Lost,
    /// The program noticed nothing, but the heap was found broken at the end, when it was verified.
    Latent,
    /// Something of the program's was corrupted, and nothing was reported.
    Missed,
    /// The process died, or the heap panicked or looped for ever.
    Crashed,
    /// The program gave no opportunity for the fault.
    Skipped,
}

impl Outcome {
    /// An outcome without a message.
    #[must_use]
    pub fn new(verdict: Verdict) -> Self {
        Self { verdict, size: 0, distance: 0, message: String::new() }
    }

    /// An outcome with what was found.
    #[must_use]
    pub fn with_message(verdict: Verdict, message: impl fmt::Display) -> Self {
        Self { message: message.to_string().replace('\n', " "), ..Self::new(verdict) }
    }

    /// Whether memory outside of the heap may have been damaged.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        match self.verdict {
            Verdict::Caught { is_late, .. } => is_late,
            Verdict::Harmless | Verdict::Lost | Verdict::Latent | Verdict::Skipped => false,
            Verdict::Missed | Verdict::Crashed => true,
        }
    }

    /// Reads what `Display` writes.
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

/// A line that [`Outcome::parse`] reads.
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
