//! Decodes numbers from bytes such that most of them are interesting.

use std::alloc::Layout;

/// Reads bytes one after another, and then zeros.
pub struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn byte(&mut self) -> usize {
        match self.bytes.split_first() {
            Some((&byte, rest)) => {
                self.bytes = rest;
                usize::from(byte)
            }
            None => 0,
        }
    }

    fn pair(&mut self) -> usize {
        self.byte() << 8 | self.byte()
    }

    /// Returns a size in bytes, usually small, often next to a power of two or a bin's bound.
    pub fn size(&mut self) -> usize {
        let class = self.byte();
        let high = class >> 4;
        match class & 0xf {
            0..=3 => self.byte() & 0x3f | (high & 1) << 6,
            4..=6 => self.byte() << (high & 3),
            7 | 8 => 8 * (1 + self.byte()),
            9 | 10 => near(1 << (3 + self.byte() % 15), high),
            11 | 12 => near(boundary(self.byte()), high),
            13 => self.pair() >> (high & 7),
            14 => self.pair() << (high & 3),
            _ => high,
        }
    }

    /// Returns a size that exceeds any arena, up to the largest size of a layout.
    pub fn huge_size(&mut self) -> usize {
        let byte = self.byte();
        let largest = isize::MAX as usize;
        match byte >> 6 {
            0 => largest - (byte & 0x3f),
            1 => largest >> ((byte & 0x1f) % (usize::BITS as usize - 23)),
            2 => (1 << 32_u32.min(usize::BITS - 2)) + self.pair() * (byte & 0x3f),
            _ => (1 << (22 + byte % (usize::BITS as usize - 23))) - (byte & 0x20),
        }
    }

    /// Returns an alignment, usually that of a granule, otherwise 1 to 2^20.
    pub fn align(&mut self) -> usize {
        match self.byte() {
            0..=179 => 8,
            small @ 180..=219 => 1 << (small & 3),
            medium @ 220..=247 => 1 << (medium % 13),
            large => 1 << (large - 235),
        }
    }

    /// Returns an alignment for a request that must fail.
    pub fn huge_align(&mut self) -> usize {
        1 << (self.byte() % (usize::BITS as usize - 2))
    }

    /// Returns by how many bytes the end of an arena moves, often by less than a granule, often by many.
    pub fn step(&mut self) -> usize {
        match self.byte() {
            0..=79 => 0,
            tiny @ 80..=159 => tiny % 17,
            granules @ 160..=207 => 8 * (granules - 159),
            far => (1 + far % 8) << (4 + self.byte() % 12),
        }
    }

    /// Returns the size of an arena, usually `usual`.
    pub fn arena_size(&mut self, usual: usize) -> usize {
        match self.byte() {
            tiny @ 0..=31 => 2 * tiny + (tiny & 1),
            small @ 32..=95 => 8 * small + self.byte() % 8,
            large => (usual * large / 128).saturating_sub(self.byte() % 32),
        }
    }
}

/// Returns a number near `center`, in steps of one byte or of one granule.
fn near(center: usize, nibble: usize) -> usize {
    let (steps, unit) = if nibble < 9 { (nibble, 1) } else { (nibble - 9, 8) };
    (center + steps * unit).saturating_sub(4 * unit)
}

/// Returns the smallest size of a bin, if each power of two is split into eight bins.
fn boundary(byte: usize) -> usize {
    let (doubling, part) = (byte >> 3 & 0xf, byte & 7);
    (8 + part) << doubling
}

/// Returns the valid layout that is closest to `size` and `align`, a power of two.
pub fn nearest_layout(size: usize, align: usize) -> Layout {
    let largest = isize::MAX as usize - (align - 1);
    Layout::from_size_align(size.min(largest), align).expect("the size was cut to fit")
}
