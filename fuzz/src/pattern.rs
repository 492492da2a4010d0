//! Recognisable bytes.
//!
//! A pattern is an endless sequence of bytes made from a seed. Any part of one can be written and
//! looked for, so that a byte that was overwritten, or that was copied from elsewhere, is noticed.
//!
//! All patterns are the same random bytes over and over, begun at different places. So they are
//! compared as fast as memory can be, even where a fuzzer watches each comparison.

use std::sync::OnceLock;

/// After so many bytes a pattern starts over. A prime, so that memory that was moved by a power of
/// two or a multiple of a granule differs.
pub const PERIOD: usize = if cfg!(miri) { 4093 } else { 1_048_573 };

/// How far apart the patterns of successive seeds begin.
const STRIDE: usize = 2_287;

/// The bytes of a period.
fn period() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let mut random = fastrand::Rng::with_seed(0xca9a_51e5);
        let mut bytes = vec![0; PERIOD];
        random.fill(&mut bytes);
        bytes
    })
}

/// The parts of a period that `len` bytes of a pattern consist of, from its byte `start` on.
fn parts(seed: usize, start: usize, len: usize) -> impl Iterator<Item = &'static [u8]> {
    let (mut at, mut left) = ((seed % PERIOD * STRIDE + start) % PERIOD, len);
    std::iter::from_fn(move || {
        let part = &period()[at..PERIOD.min(at + left)];
        (at, left) = (0, left - part.len());
        (!part.is_empty()).then_some(part)
    })
}

/// Writes the bytes of a pattern from its byte `start` on.
pub fn write(seed: usize, start: usize, bytes: &mut [u8]) {
    let mut rest = bytes;
    for part in parts(seed, start, rest.len()) {
        let (bytes, after) = rest.split_at_mut(part.len());
        bytes.copy_from_slice(part);
        rest = after;
    }
}

/// The first byte that differs from the pattern from its byte `start` on, if one does.
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
