//! Scripts of operations, decoded from bytes.
//!
//! Every sequence of bytes is a script, and nearly every byte matters. Numbers are chosen from ranges by their
//! remainder. An operation selects a block or an arena among those that exist when it is run. So small changes by a
//! fuzzer make small differences, and removing an operation hardly affects the others.

pub mod cursor;
mod mix;
mod op;
mod setup;

pub use mix::Mix;
pub use op::{Cut, Op, Pick, Wrong};
pub(crate) use setup::with_profile;
pub use setup::{Profile, Setup};

use cursor::Cursor;

/// A setup and a list of operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub setup: Setup,
    pub ops: Vec<Op>,
}

impl Script {
    /// Decodes a setup and operations.
    pub fn decode(mix: Mix, bytes: &[u8]) -> Self {
        let mut cursor = Cursor::new(bytes);
        let setup = Setup::decode(&mut cursor);
        Self::read(setup, mix, cursor)
    }

    /// Decodes operations for a setup.
    pub fn with_setup(setup: Setup, mix: Mix, bytes: &[u8]) -> Self {
        Self::read(setup, mix, Cursor::new(bytes))
    }

    /// Returns about `len` random operations for a setup.
    pub fn random(setup: Setup, mix: Mix, seed: u64, len: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        // An operation takes four bytes on average, or fewer.
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(4 * len).collect();
        let mut script = Self::with_setup(setup, mix, &bytes);
        script.ops.truncate(len);
        script
    }

    fn read(setup: Setup, mix: Mix, mut cursor: Cursor) -> Self {
        let mut ops = Vec::new();
        while !cursor.is_empty() {
            ops.push(Op::decode(mix, &setup, &mut cursor));
        }
        Self { setup, ops }
    }
}
