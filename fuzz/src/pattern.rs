//! Recognisable bytes.
//!
//! A pattern is an endless sequence of bytes, determined by a seed. Any part of it can be written and checked, so bytes
//! that were overwritten or copied from elsewhere are detected.
//!
//! All patterns repeat the same random bytes, from different starts. So they are compared at the speed of memory, even
//! if a fuzzer instruments comparisons.

use std::sync::OnceLock;

/// The length after which a pattern repeats. It is a prime, so contents differ after a move by a power of two or a
/// multiple of a granule.
pub const PERIOD: usize = if cfg!(miri) { 4093 } else { 1_048_573 };

/// The distance between the starts of patterns with successive seeds.
const STRIDE: usize = 2_287;

/// Returns the bytes of a period.
fn period() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let mut random = fastrand::Rng::with_seed(0xca9a_51e5);
        let mut bytes = vec![0; PERIOD];
        random.fill(&mut bytes);
        bytes
    })
}

/// Returns the parts of a period that form `len` bytes of a pattern, from its byte `start` on.
fn parts(seed: usize, start: usize, len: usize) -> impl Iterator<Item = &'static [u8]> {
    let (mut at, mut left) = ((seed % PERIOD * STRIDE + start) % PERIOD, len);
    std::iter::from_fn(move || {
        let part = &period()[at..PERIOD.min(at + left)];
        (at, left) = (0, left - part.len());
        (!part.is_empty()).then_some(part)
    })
}

/// Writes a pattern from its byte `start` on.
pub fn write(seed: usize, start: usize, bytes: &mut [u8]) {
    let mut rest = bytes;
    for part in parts(seed, start, rest.len()) {
        let (bytes, after) = rest.split_at_mut(part.len());
        bytes.copy_from_slice(part);
        rest = after;
    }
}

/// Returns the index of the first byte that differs from the pattern, from the pattern's byte `start` on.
pub fn difference(seed: usize, start: usize, bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    for part in parts(seed, start, bytes.len()) {
        let bytes = &bytes[at..][..part.len()];
        if bytes != part {
            return bytes.iter().zip(part).position(|(a, b)| a != b).map(|first| at + first);
        }
        at += part.len();
    }
    None
}
