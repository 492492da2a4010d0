//! The levels of checks.

use std::fmt;

use talloc_core::{
    Checked, Compact, Config, Harden, Hardened, Measures, Micro, RealTime, Standard,
};

use super::class::Class;
use super::injection::inject;
use super::note::Note;
use super::outcome::Outcome;

/// A heap with some parameters, and its name.
#[derive(Clone, Copy)]
pub struct Level {
    /// The name, in tables and on the command line.
    pub name: &'static str,
    /// Whether the table includes the level by default.
    pub is_usual: bool,
    /// Whether the heap detects some faults.
    pub(super) is_checked: bool,
    inject: Inject,
}

/// [`inject`] with the parameters of a level.
type Inject = fn(Class, u64, &mut dyn FnMut(usize, usize)) -> Outcome;

/// All levels.
///
/// A level reports its faults if its handler is [`Note`].
pub const LEVELS: &[Level] = &[
    Level::of::<Compact>("plain"),
    Level::of::<Checked<Compact, Note>>("checked"),
    Level::of::<Hardened<Compact, Standard, Note>>("hardened"),
    Level::of::<Hardened<Compact, All, Note>>("hardened-all"),
    Level::of::<Checked<RealTime, Note>>("checked-real-time").unusual(),
    Level::of::<Checked<Micro, Note>>("checked-micro").unusual(),
    Level::of::<Hardened<RealTime, All, Note>>("hardened-real-time").unusual(),
    Level::of::<Hardened<Micro, All, Note>>("hardened-micro").unusual(),
];

/// All measures.
struct All;

impl Harden for All {
    const MEASURES: Measures = Measures::ALL;
}

impl Level {
    const fn of<C: Config>(name: &'static str) -> Self {
        let is_checked = <C as talloc_core::Level>::CHECKED;
        Self { name, is_usual: true, is_checked, inject: inject::<C> }
    }

    /// Excludes the level from the table by default.
    const fn unusual(self) -> Self {
        Self { is_usual: false, ..self }
    }

    /// Returns the level with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        LEVELS.iter().find(|level| level.name == name).copied()
    }

    /// Plants a fault in a random program on such a heap. See [`inject`].
    #[must_use]
    pub fn inject(
        &self,
        class: Class,
        seed: u64,
        on_planted: &mut dyn FnMut(usize, usize),
    ) -> Outcome {
        (self.inject)(class, seed, on_planted)
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
