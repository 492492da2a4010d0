//! The header of a trace.

use core::ops::BitOr;

/// The size of the header without its extension, in bytes.
pub const HEADER_SIZE: usize = 64;

/// The most frames of a call stack.
pub const MAX_FRAMES: usize = 256;

/// The largest size of an object in bytes: more than any machine addresses.
pub const MAX_OBJECT_SIZE: u64 = 1 << 56;

pub(crate) const MAGIC: [u8; 8] = *b"ATRACE1\0";
pub(crate) const EXTENSION_SIZE: usize = 16;

pub(crate) const THREAD_CHANGES: u8 = 1 << 2;
pub(crate) const ALIGNED: u8 = 1 << 3;
pub(crate) const NOTE: u8 = 1 << 4;
#[cfg(feature = "std")]
pub(crate) const OPERATION: u8 = 3;
#[cfg(feature = "std")]
pub(crate) const UNKNOWN_BITS: u8 = !(OPERATION | THREAD_CHANGES | ALIGNED | NOTE);

pub(crate) const LOST: u8 = NOTE;
pub(crate) const END: u8 = NOTE | 1;
pub(crate) const REFUSED: u8 = NOTE | 2;
pub(crate) const MOVED: u8 = NOTE | 3;

/// The optional parts of the format that a trace uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Flags(u64);

impl Flags {
    /// None: the plain format.
    pub const NONE: Self = Self(0);
    /// Allocations and reallocations have a call stack.
    pub const CALL_SITES: Self = Self(1);
    /// Records have a time.
    pub const TIMES: Self = Self(1 << 1);
    /// Records name objects by their addresses.
    pub const ADDRESSES: Self = Self(1 << 2);
    /// The counts in the header are 0, and an end record comes last.
    pub const STREAMED: Self = Self(1 << 3);

    const ALL: u64 = (1 << 4) - 1;

    /// The flags with these bits, if all of them are known.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        if bits & !Self::ALL == 0 { Some(Self(bits)) } else { None }
    }

    /// The bits of the header's last field.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These and `other`. The same as `|`, in constants, too.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

/// The header of a trace: see the [format](crate#header).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// The number of records.
    pub records: u64,
    /// The number of bytes of all records.
    pub record_bytes: u64,
    /// The number of objects.
    pub objects: u64,
    /// The number of threads.
    pub threads: u64,
    /// Whether the recording was cut off.
    pub truncated: bool,
    /// The number of frees of objects that the recording does not know.
    pub unknown_frees: u64,
    /// The optional parts that the trace uses.
    pub flags: Flags,
    /// Ticks of the clock per second; 0 without a clock.
    pub ticks_per_second: u64,
}

impl Header {
    /// The most bytes of a header.
    pub const MAX_SIZE: usize = HEADER_SIZE + EXTENSION_SIZE;

    /// The bytes at the start of a trace with this header, and how many of them there are.
    pub fn to_bytes(&self) -> ([u8; Self::MAX_SIZE], usize) {
        let fields = [
            self.records,
            self.record_bytes,
            self.objects,
            self.threads,
            u64::from(self.truncated),
            self.unknown_frees,
            self.flags.bits(),
            self.ticks_per_second,
            0,
        ];
        let mut bytes = [0; Self::MAX_SIZE];
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        for (place, field) in bytes[MAGIC.len()..].chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        (bytes, self.size())
    }

    /// The size of the header with its extension, if there is one.
    pub fn size(&self) -> usize {
        if self.flags == Flags::NONE { HEADER_SIZE } else { Self::MAX_SIZE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_flags_are_refused() {
        let all = Flags::CALL_SITES | Flags::TIMES | Flags::ADDRESSES | Flags::STREAMED;
        assert_eq!(Flags::from_bits(all.bits()), Some(all));
        assert_eq!(Flags::from_bits(1 << 4), None);
        assert_eq!(Flags::from_bits(1 << 63), None);
        assert!(all.contains(Flags::TIMES) && !Flags::TIMES.contains(all));
    }

    #[test]
    fn only_a_header_with_flags_has_an_extension() {
        let plain = Header { records: 1, ..Header::default() };
        assert_eq!(plain.to_bytes().1, HEADER_SIZE);
        let timed = Header { flags: Flags::TIMES, ticks_per_second: 7, ..plain };
        let (bytes, size) = timed.to_bytes();
        assert_eq!((size, bytes[56], bytes[64]), (80, 2, 7));
    }
}
