//! Scripts of operations, read from bytes.
//!
//! Every sequence of bytes is a script, and nearly every byte of it matters: numbers are picked
//! from ranges by their remainder, and what an operation refers to, a block or an arena, is picked
//! from those that there are when it is carried out. So a fuzzer's small changes make small
//! differences, and an operation can be left out without changing the meaning of the others much.

pub mod cursor;
mod mix;
mod op;
mod setup;

pub use mix::Mix;
pub use op::{Cut, Op, Pick, Wrong};
pub(crate) use setup::with_profile;
pub use setup::{Profile, Setup};

use cursor::Cursor;

/// What to do, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub setup: Setup,
    pub ops: Vec<Op>,
}

impl Script {
    /// Reads a setup and operations.
    pub fn decode(mix: Mix, bytes: &[u8]) -> Self {
        let mut cursor = Cursor::new(bytes);
        let setup = Setup::decode(&mut cursor);
        Self::read(setup, mix, cursor)
    }

    /// Reads operations for a setup.
    pub fn with_setup(setup: Setup, mix: Mix, bytes: &[u8]) -> Self {
        Self::read(setup, mix, Cursor::new(bytes))
    }

    /// About `len` random operations for a setup.
    pub fn random(setup: Setup, mix: Mix, seed: u64, len: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        // An operation takes four bytes on the average, or fewer.
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
