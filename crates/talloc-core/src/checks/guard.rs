//! What a hardened heap remembers: its key, the blocks that wait, and what it has found.

use core::ptr::{self, NonNull};

use super::key::{LinkKey, SecretKey};
use crate::misuse::Misuse;

/// The state of the checks, for [`Checks::Guard`](super::Checks::Guard).
#[doc(hidden)]
pub trait State: 'static {
    /// The state of a heap without memory.
    const EMPTY: Self;

    /// The state of a hardened heap. Other heaps have none.
    fn get(&self) -> Option<&Guard>;

    /// As [`get`](Self::get), to change it.
    fn get_mut(&mut self) -> Option<&mut Guard>;
}

/// The state of a heap that is not hardened.
#[derive(Debug)]
pub struct NoGuard;

impl State for NoGuard {
    const EMPTY: Self = Self;

    #[inline(always)]
    fn get(&self) -> Option<&Guard> {
        None
    }

    #[inline(always)]
    fn get_mut(&mut self) -> Option<&mut Guard> {
        None
    }
}

/// The state of a hardened heap.
#[derive(Debug)]
pub struct Guard {
    /// The key of canaries and of the queue.
    pub(crate) key: SecretKey,
    pub(crate) delayed: Delayed,
    /// Bytes that may be delayed in any case.
    pub(crate) least_delayed: usize,
    /// The state of the generator of random bits.
    random: u64,
    /// What was found, until it is reported.
    pub(crate) found: Option<Misuse>,
    /// Whether the structures were found broken. The heap is not used any more.
    pub(crate) is_closed: bool,
    /// Whether the caller reports what is found, after it has released the heap.
    pub(crate) is_quiet: bool,
}

impl State for Guard {
    const EMPTY: Self = Self {
        key: SecretKey::ZERO,
        delayed: Delayed::EMPTY,
        least_delayed: 0,
        random: 0,
        found: None,
        is_closed: false,
        is_quiet: false,
    };

    #[inline(always)]
    fn get(&self) -> Option<&Guard> {
        Some(self)
    }

    #[inline(always)]
    fn get_mut(&mut self) -> Option<&mut Guard> {
        Some(self)
    }
}

impl Guard {
    /// Whether the heap has a key.
    pub(crate) fn is_armed(&self) -> bool {
        self.random != 0
    }

    /// Sets the key, and where the random bits start. No block was allocated yet.
    pub(crate) fn arm(&mut self, key: u64, seed: u64) {
        self.key = SecretKey::new(key);
        // Who sees many choices can compute where they started. Both numbers may be the same, so half of the seed's bits
        // are dropped. The generator must not be zero.
        self.random = mixed(mixed(seed) >> 32) | 1;
    }

    /// A random bit (Marsaglia, *Xorshift RNGs*, 2003).
    #[inline(always)]
    pub(crate) fn flip(&mut self) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 63 != 0
    }

    /// Remembers what was found, if it is the first.
    #[cold]
    pub(crate) fn note(&mut self, misuse: Misuse) {
        self.found.get_or_insert(misuse);
    }
}

/// Freed blocks whose reuse is delayed: a queue in the order of freeing.
///
/// To the arenas, they are used, and their marks say that they are cached. Each block starts with an encoded link to
/// the next one, and the last one with zeros.
#[derive(Debug)]
pub(crate) struct Delayed {
    first: Option<NonNull<u8>>,
    last: Option<NonNull<u8>>,
    /// The complement of the address of `last`, by which a change of either is noticed. The block is written to before
    /// anything else is known of it.
    twin: usize,
    granules: usize,
}

impl Delayed {
    const EMPTY: Self = Self { first: None, last: None, twin: !0, granules: 0 };

    #[inline(always)]
    fn set_end(&mut self, last: Option<NonNull<u8>>) {
        self.last = last;
        self.twin = !addr_of(last);
    }

    /// Whether the end of the queue is as it was set, and the link of the last block, too.
    #[inline(always)]
    pub(crate) fn is_end_sound(&self) -> bool {
        addr_of(self.last) == !self.twin
            && self.last.is_none_or(|last| {
                // SAFETY: A block of the queue starts with a link.
                unsafe { last.cast::<*mut u8>().read() }.is_null()
            })
    }

    /// Granules of the blocks.
    #[inline(always)]
    pub(crate) fn granules(&self) -> usize {
        self.granules
    }

    /// The block that was freed first.
    #[inline(always)]
    pub(crate) fn first(&self) -> Option<NonNull<u8>> {
        self.first
    }

    /// The block that was freed after `block`.
    ///
    /// # Safety
    ///
    /// The block is in the queue.
    #[inline(always)]
    pub(crate) unsafe fn after(&self, key: SecretKey, block: NonNull<u8>) -> Option<NonNull<u8>> {
        if Some(block) == self.last {
            return None;
        }
        // SAFETY: A block of the queue starts with a link.
        let link = unsafe { block.cast::<*mut u8>().read() };
        NonNull::new(key.mix_ptr(block.addr().get(), link))
    }

    /// Adds a block of `len` granules.
    ///
    /// # Safety
    ///
    /// Nobody uses the block, which has room for a pointer.
    #[inline(always)]
    pub(crate) unsafe fn push(&mut self, key: SecretKey, block: NonNull<u8>, len: usize) {
        // SAFETY: A block of the queue has room for a link, and only the queue uses it.
        let write = |block: NonNull<u8>, link| unsafe { block.cast::<*mut u8>().write(link) };
        write(block, ptr::null_mut());
        match self.last {
            None => self.first = Some(block),
            Some(last) => write(last, key.mix_ptr(last.addr().get(), block.as_ptr())),
        }
        self.set_end(Some(block));
        self.granules += len;
    }

    /// Takes the first block, which has `len` granules.
    ///
    /// # Safety
    ///
    /// There is one.
    #[inline(always)]
    pub(crate) unsafe fn pop(&mut self, key: SecretKey, len: usize) {
        let Some(first) = self.first else { return };
        // SAFETY: It is in the queue.
        self.first = unsafe { self.after(key, first) };
        if self.first.is_none() {
            self.set_end(None);
        }
        self.granules = self.granules.saturating_sub(len);
    }

    #[cfg(test)]
    pub(crate) fn set_first(&mut self, block: NonNull<u8>) {
        self.first = Some(block);
    }

    #[cfg(test)]
    pub(crate) fn set_last(&mut self, block: NonNull<u8>) {
        self.last = Some(block);
    }

    /// Forgets all blocks.
    pub(crate) fn clear(&mut self) {
        *self = Self::EMPTY;
    }
}

/// The address of a block, or zero.
#[inline(always)]
fn addr_of(block: Option<NonNull<u8>>) -> usize {
    block.map_or(0, |block| block.addr().get())
}

/// Mixes bits: the finalizer of SplitMix64 (Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators*,
/// 2014).
fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}
