//! What a hardened heap does against memory errors.

/// What a hardened heap does against memory errors. Each measure can be switched off.
///
/// # Examples
///
/// ```
/// use talloc_core::{Compact, Harden, Hardened, Measures, Talloc};
///
/// /// The standard measures, and a canary behind each block.
/// struct Tails;
///
/// impl Harden for Tails {
///     const MEASURES: Measures = Measures { tails: true, ..Measures::STANDARD };
/// }
///
/// let heap = Talloc::<Hardened<Compact, Tails>>::with_config();
/// # let _ = heap;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measures {
    /// Links and sizes in free memory are encoded with a key, and checked before they are used.
    ///
    /// A free chunk is used only if its marks, its size at both ends and the links of its neighbours agree. A block of
    /// a quick list is used only if its marks say that it is one.
    pub encode: bool,
    /// The bytes by which the reuse of freed blocks is delayed. With zero, a block may be reused at once.
    ///
    /// Freed blocks wait in the order of freeing. They take no more than a 64th of the bytes in use, or
    /// [`least_delay`](Self::least_delay) if that is more. All of them are coalesced before a request fails. A block of
    /// more than an eighth of the delay does not wait.
    pub delay: usize,
    /// The bytes that may wait though few are in use: no more than a 16th of the arenas.
    pub least_delay: usize,
    /// How many bytes at the start of a freed block are overwritten, and checked before the block is reused or
    /// coalesced. Zero leaves blocks as they are.
    pub fill: usize,
    /// The byte that freed blocks are filled with.
    pub filler: u8,
    /// Bytes between the end of a block and the next granule hold a canary, which is checked when the block is freed
    /// or changes its size. So does the end of each arena's own structures: see [`tails`](Self::tails).
    pub slack: bool,
    /// Each block has 8 more bytes, which hold a canary. It is checked when the block or the one above it is freed.
    ///
    /// With `tails` or `slack`, 64 bytes behind the bitmap of each arena hold a canary, too. It is checked when the block
    /// above it is freed. So a write before the lowest block does not reach the bitmap unnoticed.
    pub tails: bool,
    /// Blocks take multiples of 16 bytes. It is for those who align all blocks to 16 bytes: blocks then follow each other
    /// without holes, and `slack` begins behind the last byte that was requested.
    pub even: bool,
    /// A new block's bytes are set to this. With `None`, they are what they were.
    pub fresh: Option<u8>,
    /// Random choices: half of the blocks that have waited wait once more, a block becomes the first or the second one of
    /// its quick list, and a new block is cut from either end of a free chunk. Nobody can foresee where a block will lie.
    pub shuffle: bool,
}

impl Measures {
    /// None of the measures. Such a heap only checks the blocks that it is passed.
    pub const NONE: Self = Self {
        encode: false,
        delay: 0,
        least_delay: 4 << 10,
        fill: 0,
        filler: 0xdf,
        slack: false,
        tails: false,
        even: false,
        fresh: None,
        shuffle: false,
    };

    /// The measures of [`Standard`]: all but canaries behind each block, overwriting of new blocks, and random choices.
    ///
    /// They fill two cache lines of a freed block, and let blocks wait that fit into the first-level cache of a processor
    /// together with what the program uses. More of either costs most: `talloc replay TRACE --heap hardened-fill` and
    /// `--heap hardened-delay` measure that.
    pub const STANDARD: Self =
        Self { encode: true, delay: 16 << 10, fill: 128, slack: true, ..Self::NONE };

    /// All measures.
    pub const ALL: Self = Self {
        delay: 1 << 20,
        fill: usize::MAX,
        tails: true,
        fresh: Some(0xce),
        shuffle: true,
        ..Self::STANDARD
    };

    /// Each measure alone, with its name: to measure what each of them costs. Those of [`STANDARD`](Self::STANDARD) are
    /// as they are there. To shuffle is of use only together with a delay.
    pub const EACH: [(&'static str, Self); 7] = [
        ("encode", Self { encode: true, ..Self::NONE }),
        ("delay", Self { delay: Self::STANDARD.delay, ..Self::NONE }),
        ("fill", Self { fill: Self::STANDARD.fill, ..Self::NONE }),
        ("slack", Self { slack: true, ..Self::NONE }),
        ("tails", Self { tails: true, ..Self::NONE }),
        ("fresh", Self { fresh: Self::ALL.fresh, ..Self::NONE }),
        ("shuffle", Self { delay: Self::STANDARD.delay, shuffle: true, ..Self::NONE }),
    ];
}

/// The measures of a hardened heap, and its source of keys, for [`Hardened`](crate::Hardened).
pub trait Harden: 'static {
    /// The measures.
    const MEASURES: Measures = Measures::STANDARD;

    /// Returns a key. It is called when a heap is given its first memory, and up to twice for each arena.
    ///
    /// An attacker who knows the key can forge links. Return numbers from a random number generator. The default
    /// depends on where code and stack lie, which a system may choose at random. It protects against accidents.
    ///
    /// It is called while the heap is in use, and must not allocate from it.
    fn key() -> u64 {
        let local = 0_u8;
        let stack = core::ptr::from_ref(&local).addr() as u64;
        let code = (Self::key as fn() -> u64 as *const ()).addr() as u64;
        stack.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ code.rotate_left(32)
    }
}

/// The standard measures, and keys that depend on addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Standard;

impl Harden for Standard {}
